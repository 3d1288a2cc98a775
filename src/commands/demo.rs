//! `purser demo`: everything embedded, with a synthetic shop publishing into it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use purser_producer::{Kinds, Rate};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::serve::listen;
use crate::blob::Blob;
use crate::config::Config;
use crate::embedded::{self, Embedded};
use crate::service::{Roles, Service};
use crate::shutdown::Shutdown;
use crate::telemetry::{Metrics, Totals};

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Start over: forget the private database and the blob folder
    #[arg(long)]
    fresh: bool,
    /// What the shop publishes: some of purchase, ab_event, order, click_event, product_view, with commas between
    #[arg(long, env = "PRODUCER_KINDS", default_value_t = Kinds::default())]
    kinds: Kinds,
    /// Purchases per second, or `max` for as fast as it can; the other kinds follow in proportion
    #[arg(long, env = "PRODUCER_RATE", default_value = "50")]
    rate: Rate,
    /// Stop publishing after this many purchases, and what goes with them of the other kinds
    #[arg(long, env = "PRODUCER_COUNT")]
    count: Option<u64>,
    /// The share of messages that are broken, 0 to 1, of each kind
    #[arg(long, env = "PRODUCER_INVALID_RATIO", default_value_t = 0.15, value_parser = purser_producer::ratio)]
    invalid_ratio: f64,
    #[command(flatten)]
    config: Config,
}

/// How long the backlog may take to be stored after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(20);
/// How often the summary is written to a terminal, and how often elsewhere.
const SUMMARY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let mut config = args.config.clone().with_empty_unset();
    // Whatever emulator the environment names, the demo is alone with itself.
    config.pubsub.pubsub_emulator_host = None;
    let signals = Shutdown::on_signals();
    let folder = Blob::folder_of(&config.blob.blob_url).map(PathBuf::from);
    let folder = folder.context("the demo's shop writes files: BLOB_URL (--blob-url) must be a folder")?;
    let listener = listen(config.http.http_addr).await?;
    if args.fresh {
        start_over(&config, &folder).await?;
    }
    let embedded = tokio::select! {
        embedded = Embedded::start(&mut config) => embedded?,
        () = signals.soft().cancelled() => return Ok(()),
    };
    let (metrics, shutdown) = (Arc::new(Metrics::default()), Shutdown::default());
    let service = Service::new(config.clone(), Arc::clone(&metrics), shutdown.clone())?;
    say_where_everything_is(&config, &embedded)?;
    let shop = CancellationToken::new();
    tokio::spawn(give_up_with(signals.clone(), shutdown.clone()));
    let mut selling = tokio::spawn(purser_producer::run(shop_options(&args, &config, folder), shop.clone()));
    let serving = tokio::spawn(service.run(Roles { worker: true, api: true }, listener));
    let summary = tokio::spawn(summarise(Arc::clone(&metrics)));

    let sold = tokio::select! {
        () = signals.soft().cancelled() => None,
        () = shutdown.soft().cancelled() => None,
        failed = failure(&mut selling) => Some(failed),
    };
    shop.cancel();
    let sold = match sold {
        Some(failed) => Err(failed),
        None if selling.is_finished() => Ok(()),
        None => selling.await?.map(drop),
    };
    // The backlog lives in this process: store what was published before it goes.
    tokio::select! {
        () = until(|| embedded.unacknowledged() == 0) => {}
        () = tokio::time::sleep(DRAIN) => {}
        () = shutdown.soft().cancelled() => {}
    }
    shutdown.stop();
    let served = serving.await?;
    summary.abort();
    say(&format!("{}\n", summary_line(&metrics.totals(), 0.0)))?;
    embedded.stop().await?;
    sold?;
    served
}

/// Passes a second Ctrl-C on to the service, which does not hear the first at once.
async fn give_up_with(signals: Shutdown, service: Shutdown) {
    signals.hard().cancelled().await;
    service.give_up();
}

/// What the shop failed of, if it ever does. One that has sold what it was told to has not failed.
async fn failure(selling: &mut JoinHandle<anyhow::Result<purser_producer::Summary>>) -> anyhow::Error {
    match selling.await {
        Ok(Ok(_)) => std::future::pending().await,
        Ok(Err(failed)) => failed,
        Err(panicked) => panicked.into(),
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Removes the private database and what the demo wrote to the blob folder, and nothing else there.
async fn start_over(config: &Config, folder: &Path) -> anyhow::Result<()> {
    ensure!(
        config.database.database_url.is_none(),
        "--fresh forgets the private database, but DATABASE_URL names another"
    );
    embedded::erase_postgres(config).await?;
    for written in ["users", "articles", "shoppers", "purchases", "dead-letter"] {
        match tokio::fs::remove_dir_all(folder.join(written)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn shop_options(args: &Args, config: &Config, blob: PathBuf) -> purser_producer::Options {
    purser_producer::Options {
        kinds: args.kinds.clone(),
        rate: args.rate,
        count: args.count,
        invalid_ratio: args.invalid_ratio,
        project: config.pubsub.pubsub_project_id.clone(),
        emulator_host: config.pubsub.pubsub_emulator_host.clone(),
        database_url: config.database.database_url.as_ref().map(|url| url.expose().to_owned().into()),
        blob,
        ..purser_producer::Options::default()
    }
}

fn say_where_everything_is(config: &Config, embedded: &Embedded) -> anyhow::Result<()> {
    let blob = Blob::open(&config.blob.blob_url)?;
    let psql = embedded.psql_command().unwrap_or_else(|| "psql \"$DATABASE_URL\"".to_owned());
    let emulator = config.pubsub.pubsub_emulator_host.as_deref().unwrap_or_default();
    say(&format!(
        "\n  API           http://{0}/sales/states, documented at http://{0}/docs\n  database      {psql}\n  dead letters  {1}/dead-letter\n  Pub/Sub       \
         PUBSUB_EMULATOR_HOST={emulator}\n\n  Ctrl-C stops it; starting again continues; --fresh starts over.\n\n",
        config.http.http_addr,
        blob.place(),
    ))
}

async fn summarise(metrics: Arc<Metrics>) {
    let terminal = std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(if terminal { SUMMARY.0 } else { SUMMARY.1 });
    let (mut before, mut since) = (metrics.totals(), ticks.tick().await);
    loop {
        let now = ticks.tick().await;
        let totals = metrics.totals();
        let seconds = (now - since).as_secs_f64();
        let line = summary_line(&totals, (totals.received() - before.received()) as f64 / seconds);
        // On a terminal the cursor goes back to the start, so that a log line begins there.
        let end = if terminal { "\x1b[K\r" } else { "\n" };
        if say(&format!("{line}{end}")).is_err() {
            return;
        }
        (before, since) = (totals, now);
    }
}

fn summary_line(totals: &Totals, per_second: f64) -> String {
    let reasons: Vec<String> = totals.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let rejected: u64 = totals.rejected.values().sum();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!(
        "received {}  stored {}  duplicate {}  rejected {rejected}{reasons}  ignored {}  {per_second:.0}/s",
        totals.received(),
        totals.stored,
        totals.duplicate,
        totals.ignored,
    )
}

/// Writes to stdout.
fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
