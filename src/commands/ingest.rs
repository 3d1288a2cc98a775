//! `purser ingest`: events out of files, through the very same pipeline.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::builder::PossibleValuesParser;

use super::attributes::Attributes;
use super::terminal::{self, Progress, answer};
use crate::blob::Blob;
use crate::config::{DatabaseConfig, PipelineConfig};
use crate::database;
use crate::dead_letters::Shipper;
use crate::events::{KINDS, Kind};
use crate::intake::files::{Again, Ingestion, Object, Reporter, Summary, ingest, list};
use crate::pipeline::Pipeline;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Flags of `ingest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the files hold
    #[arg(value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: String,
    /// Files, folders, or `file://` `https://` `gs://` `s3://` `az://` URLs: a json array, ndjson, json values
    /// one after the other, or csv with a header; plain, `.gz` or `.zst`
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Judge every record of files that were ingested before once more
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    database: DatabaseConfig,
    /// Ship dead letters there when done: a folder, `file:///…`, `gs://…`, `s3://…` or `az://…`; unset, they wait in
    /// the database for a worker
    #[arg(long, env = "BLOB_URL")]
    blob_url: Option<String>,
    #[command(flatten)]
    pipeline: PipelineConfig,
}

/// The beginning of the folders that records of dead letters are shipped to.
const DEAD_LETTERS: &str = "/dead-letter/kind=";

/// Ingests the files. Rejected records are dead letters, not a failure; what could not be read or stored is.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let kind = Kind::named(&args.kind).context("no such kind of event")?;
    let objects = objects(&args.urls).await?;
    let blob = args.blob_url.as_deref().map(Blob::open).transpose()?;
    let attributes = args.attributes.of(kind)?;
    let ingestion = ingestion(&args, attributes, Shutdown::on_signals()).await?;
    let _ending = database::end_frozen_sessions(ingestion.pipeline.pool.clone());
    let progress = Arc::new(Progress::new());
    let summary = ingest(*kind, &ingestion, objects, Arc::clone(&progress) as Arc<dyn Reporter>).await;
    progress.finish();
    let summary = summary?;
    answer(describe(&summary))?;
    if let Some(blob) = blob {
        Shipper::unwatched(ingestion.pipeline.pool.clone(), blob).ship_now().await;
    }
    match summary.failed + summary.changed + summary.elsewhere > 0 || summary.interrupted {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// The files that URLs stand for.
///
/// # Errors
/// When one stands for nothing, or for what holds no events.
pub async fn objects(urls: &[String]) -> anyhow::Result<Vec<Object>> {
    let mut objects = Vec::new();
    for url in urls {
        ensure!(url != "-", "standard input cannot be read twice, as ingesting does: give a file");
        objects.extend(list(url).await?);
    }
    if let Some(ours) = objects.iter().find(|object| object.name.contains(DEAD_LETTERS)) {
        bail!("{} holds dead letters, not events: `purser dead-letters replay` tries them again", ours.name);
    }
    Ok(objects)
}

async fn ingestion(
    args: &Args,
    attributes: Arc<BTreeMap<String, String>>,
    shutdown: Shutdown,
) -> anyhow::Result<Ingestion> {
    let pool = database::open(&args.database).await?;
    let pipeline = Pipeline::new(pool, Arc::new(Metrics::default()), shutdown, args.pipeline.max_event_bytes);
    let again = if args.again { Again::Judge } else { Again::Skip };
    Ok(Ingestion { pipeline, limits: args.pipeline.batches(), again, attributes })
}

fn describe(summary: &Summary) -> String {
    let Summary { ingested, already, changed, elsewhere, failed, interrupted, counts } = summary;
    let mut text = format!("files: {ingested} ingested, {already} already ingested, {failed} could not be read\n");
    if *changed > 0 {
        let _ = writeln!(text, "  left out, because they hold other bytes than before: {changed}");
    }
    if *elsewhere > 0 {
        let _ = writeln!(text, "  left out, because they are in the history and would count twice: {elsewhere}");
    }
    text.push_str(&terminal::describe(counts));
    if *interrupted {
        text.push_str("stopped before the end: the same command goes on from here\n");
    }
    text
}
