//! `purser expire`: retention.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::ensure;
use chrono::TimeDelta;

use super::terminal::answer;
use crate::blob::Blob;
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database::{self, Run};
use crate::dead_letters::Shipper;
use crate::domain::parse_age;
use crate::expire::{Ages, Report, expire};
use crate::shutdown::Shutdown;

/// Flags of `expire`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long purchases are kept, by when they were made, such as 400d, 12w or 36h; unset, for ever
    #[arg(long, env = "RETENTION_PURCHASES", value_name = "AGE", value_parser = age)]
    purchases: Option<TimeDelta>,
    /// How long events of A/B tests are kept
    #[arg(long, env = "RETENTION_AB_EVENTS", value_name = "AGE", value_parser = age)]
    ab_events: Option<TimeDelta>,
    /// How long orders are kept
    #[arg(long, env = "RETENTION_ORDERS", value_name = "AGE", value_parser = age)]
    orders: Option<TimeDelta>,
    /// How long clicks are kept, and the sessions that they make
    #[arg(long, env = "RETENTION_CLICK_EVENTS", value_name = "AGE", value_parser = age)]
    click_events: Option<TimeDelta>,
    /// How long product views are kept
    #[arg(long, env = "RETENTION_PRODUCT_VIEWS", value_name = "AGE", value_parser = age)]
    product_views: Option<TimeDelta>,
    /// How long dead letters are kept, open ones included, by when they were rejected for the first time
    #[arg(long, env = "RETENTION_DEAD_LETTERS", value_name = "AGE", value_parser = age)]
    dead_letters: Option<TimeDelta>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

fn age(text: &str) -> Result<TimeDelta, &'static str> {
    let age = parse_age(text).filter(|age| *age >= TimeDelta::hours(1) && *age <= TimeDelta::days(365_000));
    age.ok_or("not an age of an hour or more, such as 400d, 12w or 36h")
}

/// Removes what is older than it is to be, and prints how much that was.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { purchases, ab_events, orders, click_events, product_views, dead_letters, dry_run, database, blob } =
        args;
    let kinds = [
        ("purchase", purchases),
        ("ab_event", ab_events),
        ("order", orders),
        ("click_event", click_events),
        ("product_view", product_views),
    ];
    let rows: BTreeMap<&str, TimeDelta> = kinds.into_iter().filter_map(|(kind, age)| Some((kind, age?))).collect();
    let ages = Ages { rows, dead_letters };
    ensure!(ages != Ages::default(), "everything is kept for ever: say how long, such as --click-events 90d");
    let pool = database::open(&database).await?;
    let blob = Blob::open(&blob.blob_url)?;
    let shipper = Shipper::unwatched(pool, blob);
    let run = if dry_run { Run::Dry } else { Run::Real };
    let report = expire(&shipper, &ages, run, &Shutdown::on_signals()).await?;
    answer(describe(&report, run))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(report: &Report, run: Run) -> String {
    let done = if run == Run::Dry { "would be removed" } else { "removed" };
    report.iter().fold(String::new(), |mut text, (what, (number, before))| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{number:>10}  {what} from before {before:?} {done}");
        text
    })
}
