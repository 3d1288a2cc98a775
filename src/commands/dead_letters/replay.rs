//! `purser dead-letters replay`: once more through the same pipeline, with the exact bytes.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use super::causes::Causes;
use super::filters::{self, Meant};
use super::progress::Progress;
use super::table::{Side, table};
use crate::blob::Blob;
use crate::commands::terminal::{answer, remark};
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database;
use crate::dead_letters::records::count;
use crate::dead_letters::{Archive, Interrupted, Replay, Replayed, Shipper, Status, Tally};
use crate::pipeline::Pipeline;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Flags of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    meant: Meant,
    /// Say how many would be stored, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Larger payloads are rejected as `oversize` again
    #[arg(long, env = "MAX_EVENT_BYTES", default_value_t = 1 << 20)]
    max_event_bytes: usize,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

/// Replays. Fails when it was stopped, or something could not be read; that events are rejected again is no failure.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { meant, dry_run, max_event_bytes, database, blob } = args;
    let (pool, filter) = (database::open(&database).await?, meant.open());
    let (blob, metrics, shutdown) = (Blob::open(&blob.blob_url)?, Arc::new(Metrics::default()), Shutdown::on_signals());
    let pipeline = Pipeline::new(pool.clone(), Arc::clone(&metrics), shutdown, max_event_bytes);
    let pipeline = if dry_run { pipeline.dry_run() } else { pipeline };
    let archive = Archive { pool: pool.clone(), blob: blob.clone() };
    let causes = Causes::of(&pool, &filter).await?;
    let mut progress = Progress::of(count(&pool, &filter).await?);
    let mut replayed = Replayed::default();
    let replay = Replay { pipeline, archive, becomes: Status::Replayed };
    let ended = replay.run(&filter, |so_far| {
        progress.is(so_far.tallies.values().map(|tally| tally.matched).sum());
        replayed = so_far.clone();
    });
    let ended = ended.await;
    progress.finish();
    answer(describe(&replayed, &causes, dry_run))?;
    if !dry_run {
        Shipper::unwatched(pool, blob).ship_now().await;
    }
    for (id, why) in &replayed.unreadable {
        remark(&format!("{id}: {why}"));
    }
    match ended {
        Ok(_) if replayed.unreadable.is_empty() => Ok(ExitCode::SUCCESS),
        Ok(_) => Ok(ExitCode::FAILURE),
        Err(Interrupted::Stopped(_)) => {
            remark(if dry_run { "stopped before the end" } else { filters::GO_ON });
            Ok(ExitCode::FAILURE)
        }
        Err(away @ Interrupted::Away(_)) => Err(anyhow::Error::from(away).context(filters::GO_ON)),
    }
}

fn describe(replayed: &Replayed, causes: &Causes, dry_run: bool) -> String {
    if replayed.tallies.is_empty() {
        return "no open dead letters match\n".to_owned();
    }
    let left = |title| (title, Side::Left);
    let right = |title| (title, Side::Right);
    let passed = if dry_run { "would pass" } else { "stored" };
    let titles = [
        right("matched"),
        right(passed),
        right("duplicate"),
        right("rejected"),
        right("skipped"),
        right("unreadable"),
        left("fingerprint"),
        left("what was wrong"),
    ];
    let mut tallies: Vec<(&String, Tally)> = replayed.tallies.iter().map(|(name, tally)| (name, *tally)).collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.matched));
    let rows = tallies.iter().map(|(fingerprint, tally)| row(tally, fingerprint, &causes.describe(fingerprint)));
    let rows: Vec<_> = rows.chain([row(&sum(&replayed.tallies), "all", "")]).collect();
    table(titles, &rows)
}

fn row(tally: &Tally, fingerprint: &str, cause: &str) -> [String; 8] {
    let Tally { matched, stored, duplicate, rejected, ignored, unreadable } = tally;
    let [matched, stored, duplicate, rejected, ignored, unreadable] =
        [matched, stored, duplicate, rejected, ignored, unreadable].map(u64::to_string);
    [matched, stored, duplicate, rejected, ignored, unreadable, fingerprint.to_owned(), cause.to_owned()]
}

fn sum(tallies: &BTreeMap<String, Tally>) -> Tally {
    let sum = |count: fn(&Tally) -> u64| tallies.values().map(count).sum();
    Tally {
        matched: sum(|tally| tally.matched),
        stored: sum(|tally| tally.stored),
        duplicate: sum(|tally| tally.duplicate),
        rejected: sum(|tally| tally.rejected),
        ignored: sum(|tally| tally.ignored),
        unreadable: sum(|tally| tally.unreadable),
    }
}
