//! `purser-history compact`: raw JSON into files of the history.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use purser::blob::Blob;
use purser::commands::attributes::Attributes;
use purser::commands::ingest::objects;
use purser::commands::terminal::{Progress, answer};
use purser::config::DatabaseConfig;
use purser::database;
use purser::dead_letters::Shipper;
use purser::events::{EventKind as _, Kind, ProductView};
use purser::shutdown::Shutdown;

use crate::compact::{Compaction, Limits, compact};
use crate::store::Store;

/// Flags of `compact`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of product views, folders, or `file://` `https://` `gs://` `s3://` `az://` URLs: a json array, ndjson, or
    /// json values one after the other; plain, `.gz` or `.zst`
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
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
    Ok(if summary.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
