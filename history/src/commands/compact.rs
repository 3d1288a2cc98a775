//! `purser-history compact`: raw JSON into files of the history.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use purser::blob::Blob;
use purser::commands::attributes::Attributes;
use purser::commands::ingest::objects;
use purser::commands::terminal::{Progress, answer};
use purser::config::DatabaseConfig;
use purser::database;
use purser::dead_letters::Shipper;
use purser::domain::parse_age;
use purser::events::{EventKind as _, Kind, ProductView};
use purser::shutdown::Shutdown;

use crate::compact::{Compaction, Limits, compact};
use crate::merging::merge_small;
use crate::moving::move_older;
use crate::store::Store;
use crate::tidy::tidy;

/// Flags of `compact`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of product views, folders, or `file://` `https://` `gs://` `s3://` `az://` URLs: a json array, ndjson, or
    /// json values one after the other; plain, `.gz` or `.zst`
    #[arg(required_unless_present = "from_postgres", value_name = "URL")]
    urls: Vec<String>,
    /// Move views out of Postgres as well
    #[arg(long, requires = "older_than")]
    from_postgres: bool,
    /// Those of days that ended so long ago, such as 30d or 8w; at least 1d
    #[arg(long, requires = "from_postgres", value_name = "AGE", value_parser = age)]
    older_than: Option<TimeDelta>,
    /// Where the history is: a folder, `file:///…`, `gs://…`, `s3://…` or `az://…`
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    database: DatabaseConfig,
    /// Ship dead letters there when done: a folder, `file:///…`, `gs://…`, `s3://…` or `az://…`; unset, they wait in
    /// the database for a worker
    #[arg(long, env = "BLOB_URL")]
    blob_url: Option<String>,
    /// Larger records are dead-lettered as `oversize`
    #[arg(long, env = "MAX_EVENT_BYTES", default_value_t = 1 << 20)]
    max_event_bytes: usize,
    /// Bytes of views that are committed at once; three times as many are held in memory
    #[arg(long, default_value_t = Limits::default().views)]
    commit_bytes: usize,
}

fn age(text: &str) -> Result<TimeDelta, &'static str> {
    let age = parse_age(text).filter(|age| *age >= TimeDelta::days(1) && *age <= TimeDelta::days(365_000));
    age.ok_or("not an age of a day or more, such as 30d or 8w")
}

/// Compacts the files. Rejected records are dead letters, not a failure; what could not be read or kept is.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let kind = Kind::named(ProductView::NAME).context("no such kind of event")?;
    let attributes = args.attributes.of(kind)?;
    let objects = objects(&args.urls).await?;
    let blob = args.blob_url.as_deref().map(Blob::open).transpose()?;
    let store = Store::open(&args.to)?;
    let pool = database::open(&args.database).await?;
    let _ending = database::end_frozen_sessions(pool.clone());
    let (shutdown, reporter) = (Shutdown::on_signals(), Arc::new(Progress::new()));
    let compaction = Compaction {
        pool: pool.clone(),
        store,
        shutdown: shutdown.clone(),
        max_event_bytes: args.max_event_bytes,
        attributes,
        limits: Limits { views: args.commit_bytes, ..Limits::default() },
        reporter: Arc::clone(&reporter) as _,
    };
    let began = Instant::now();
    let summary = shutdown.unless_given_up(compact(&compaction, objects)).await;
    reporter.finish();
    let (summary, seconds) = (summary??, began.elapsed().as_secs_f64());
    let rate = summary.bytes_in as f64 / 1e6 / seconds;
    answer(format!("{summary}in {seconds:.1} s: {rate:.0} MB/s\n"))?;
    if let Some(blob) = blob {
        Shipper::unwatched(pool, blob).ship_now().await;
    }
    if !summary.interrupted {
        let before = args.older_than.map(|age| (Utc::now() - age).date_naive().and_time(NaiveTime::MIN).and_utc());
        answer(shutdown.unless_given_up(keep(&compaction, before)).await??)?;
    }
    Ok(if summary.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Moves views from before that time out of Postgres, merges small files, and deletes what nobody needs any more.
async fn keep(compaction: &Compaction, before: Option<DateTime<Utc>>) -> anyhow::Result<String> {
    let Compaction { pool, store, shutdown, .. } = compaction;
    let mut text = String::new();
    if let Some(before) = before {
        let progress = Progress::new();
        let moved = move_older(pool, store, before, shutdown, &progress).await;
        progress.finish();
        // Writing into a string does not fail.
        let _ = writeln!(text, "moved out of Postgres: {} views", moved?);
    }
    let progress = Progress::new();
    let merged = merge_small(pool, store, shutdown, &progress).await;
    progress.finish();
    let (merged, tidied) = (merged?, tidy(pool, store).await?);
    let _ = writeln!(text, "merged: {merged} files; deleted: {} files, {} orphans", tidied.files, tidied.orphans);
    Ok(text)
}
