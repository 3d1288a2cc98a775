//! `purser import`: reference data, out of JSON or CSV.

mod form;
mod merge;
mod rows;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::terminal::{answer, remark};
use crate::config::DatabaseConfig;
use crate::database;
use crate::intake::files::{Object, list};
use crate::pipeline::verdict::Table;
use crate::shutdown::Shutdown;
use merge::Merge;
use rows::{Columns, Parsed};

/// Flags of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the file holds
    #[arg(value_enum)]
    what: What,
    /// A file, a folder, or a URL as `ingest` takes it: JSON in any form, or CSV with a header
    file: String,
    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// id, name, address, number, email
    Users,
    /// id, name, price, currency
    Articles,
}

/// Imports the file: new ids are inserted, known ones updated, wrong rows left out and told. Fails
/// when there was one.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let table = match args.what {
        What::Users => Table::Users,
        What::Articles => Table::Articles,
    };
    let objects = list(&args.file).await?;
    let url = args.database.database_url.context("DATABASE_URL (--database-url) is not set")?;
    let pool = database::connect(url.expose(), 1).context("DATABASE_URL is not the address of a Postgres database")?;
    let mut merge = Merge::begin(&pool, Columns::of(table)).await?;
    let (shutdown, mut wrong) = (Shutdown::on_signals(), 0);
    for object in objects {
        wrong +=
            load(&object, &mut merge, &shutdown).await.with_context(|| format!("cannot import {}", object.name))?;
    }
    let merged = merge.finish().await?;
    answer(&format!("{table}: {} new, {} updated, {wrong} wrong\n", merged.inserted, merged.updated))?;
    match wrong {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// Loads the rows of one file, and tells which are wrong; their number is returned.
async fn load(object: &Object, merge: &mut Merge, shutdown: &Shutdown) -> anyhow::Result<u64> {
    let (sender, mut chunks) = mpsc::channel::<Vec<Parsed>>(4);
    let reader = rows::read(object.clone(), merge.columns(), shutdown.clone(), sender);
    let mut wrong = 0;
    while let Some(chunk) = chunks.recv().await {
        let mut rows = Vec::with_capacity(chunk.len());
        for parsed in chunk {
            match parsed {
                Ok(row) => rows.push(row),
                Err(reason) => {
                    wrong += 1;
                    remark(&format!("{}:{}: left out: {}", object.name, reason.number, reason.text));
                }
            }
        }
        merge.load(&rows).await?;
    }
    reader.await??;
    Ok(wrong)
}
