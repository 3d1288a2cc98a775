//! `purser import`: reference data, out of JSON or CSV.

mod cells;
mod layout;
mod load;
mod merge;
mod read;
mod rejects;
mod row;
mod rows;
mod value;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono_tz::Tz;
use sqlx::{ConnectOptions as _, PgPool};

use super::terminal::answer;
use crate::config::DatabaseConfig;
use crate::database;
use crate::intake::files::list;
use crate::shutdown::{Shutdown, Stopped};
use layout::{ARTICLES, Layout, ORDER_ITEMS, ORDERS, SHOPPERS, USERS};
use load::{Load, Loaded};
use merge::Merged;
use read::Reading;
use rejects::Rejects;

pub use rows::{TABLES, Values, WrongRow, read_rows};

/// Flags of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// id, name, address, number, email
    Users(OneFile),
    /// id, name, price, currency
    Articles(OneFile),
    /// user_id, country, gender
    Shoppers(OneFile),
    /// Orders (id, user_id, order_date, order_status, device_type, order_total), and their items (id, order_id,
    /// code_color, quantity)
    ShopOrders(ShopOrders),
}

#[derive(Debug, clap::Args)]
struct OneFile {
    /// A file, a folder, or a URL as `ingest` takes it: JSON in any form, or CSV with a header
    file: String,
    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Debug, clap::Args)]
struct ShopOrders {
    /// A file, a folder, or a URL as `ingest` takes it: CSV with a header, or JSON in any form
    orders: String,
    /// The same, of the items
    order_items: String,
    /// Zone of times that are written without one, such as America/Sao_Paulo
    #[arg(long, default_value_t = Tz::UTC)]
    time_zone: Tz,
    /// Where rows that are wrong are kept, as one JSON object each; unset, in `<file>.rejects.ndjson` next to each file
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseConfig,
}

/// All that is to be done.
struct Plan {
    targets: Vec<(&'static Layout, String)>,
    zone: Tz,
    /// Set where rows that are wrong are kept.
    rejects: Option<Rejects>,
    database: DatabaseConfig,
}

impl From<What> for Plan {
    fn from(what: What) -> Plan {
        let one = |layout, OneFile { file, database }| Plan {
            targets: vec![(layout, file)],
            zone: Tz::UTC,
            rejects: None,
            database,
        };
        match what {
            What::Users(file) => one(&USERS, file),
            What::Articles(file) => one(&ARTICLES, file),
            What::Shoppers(file) => one(&SHOPPERS, file),
            What::ShopOrders(ShopOrders { orders, order_items, time_zone, rejects, database }) => Plan {
                targets: vec![(&ORDERS, orders), (&ORDER_ITEMS, order_items)],
                zone: time_zone,
                rejects: Some(Rejects::new(rejects)),
                database,
            },
        }
    }
}

/// Imports: new ids are inserted, known ones updated, wrong rows left out and told. Fails when there was one,
/// and when it is told to stop.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals();
    let wrong = shutdown.soft().run_until_cancelled(import(args.what.into(), &shutdown)).await.ok_or(Stopped)??;
    match wrong {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// Everything is read before a table changes: what cannot be read changes none. The number of rows that were
/// left out is returned.
async fn import(plan: Plan, shutdown: &Shutdown) -> anyhow::Result<u64> {
    let Plan { targets, zone, mut rejects, database } = plan;
    let mut found = Vec::new();
    for (layout, target) in targets {
        found.push((layout, list(&target).await?, target));
    }
    let pool = connect(&database, found.len())?;
    let mut loads = Vec::new();
    for (layout, objects, target) in found {
        let reading = Reading { layout, zone, shutdown: shutdown.clone() };
        let load = Load::begin(&pool, layout, rejects.as_mut()).await?;
        loads.push(load.target(&target, objects, &reading).await?);
    }
    let mut all_wrong = 0;
    for Loaded { table, merge, wrong } in loads {
        let Merged { inserted, updated, unchanged } = merge.finish().await?;
        answer(format!("{table}: {inserted} new, {updated} updated, {unchanged} unchanged, {wrong} wrong\n"))?;
        all_wrong += wrong;
    }
    Ok(all_wrong)
}

fn connect(database: &DatabaseConfig, connections: usize) -> anyhow::Result<PgPool> {
    let pool = database::connect(database.url()?, u32::try_from(connections).unwrap_or(u32::MAX))?;
    // To merge a million rows takes its time: that is nothing to warn about, nor is it frozen.
    let options = pool.connect_options().as_ref().clone().application_name("purser import");
    pool.set_connect_options(options.disable_statement_logging());
    Ok(pool)
}
