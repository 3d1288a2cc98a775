//! `purser dead-letters reindex`: the index out of the blob store alone.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::filters;
use crate::blob::Blob;
use crate::commands::terminal::{answer, remark};
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database;
use crate::dead_letters::reindex::{Observer, Reindexed, reindex};
use crate::shutdown::Shutdown;

/// Flags of `reindex`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

/// Rebuilds. Fails when it was stopped, or something in the folder could not be used.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { database, blob } = args;
    let (pool, blob) = (database::open(&database).await?, Blob::open(&blob.blob_url)?);
    let watcher = Watcher::new();
    let reindexed = reindex(&pool, &blob, &Shutdown::on_signals(), &watcher).await;
    watcher.bar.finish_and_clear();
    let reindexed = reindexed?;
    answer(describe(&reindexed))?;
    if reindexed.interrupted {
        remark(filters::GO_ON);
    }
    match reindexed.interrupted || reindexed.unusable + reindexed.payloads_missing > 0 {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn describe(reindexed: &Reindexed) -> String {
    let Reindexed { objects, records, changes, added, renewed, closed, .. } = reindexed;
    let Reindexed { orphans, unusable, payloads_missing, .. } = reindexed;
    let mut text = format!("read: {objects} objects, {records} records, {changes} changes of status\n");
    let _ = writeln!(text, "index: {added} added, {renewed} renewed, {closed} closed");
    for (count, what) in [
        (orphans, "changes of status without a record"),
        (unusable, "lines or objects that could not be used"),
        (payloads_missing, "payloads that are not there"),
    ] {
        if *count > 0 {
            let _ = writeln!(text, "{what}: {count}");
        }
    }
    text
}

/// More of what could not be used is only counted.
const NAMED: u64 = 50;
/// How often a line is written where there is no terminal.
const LINES: Duration = Duration::from_secs(5);

struct Watcher {
    bar: ProgressBar,
    named: Mutex<u64>,
    said: Mutex<Instant>,
}

impl Watcher {
    fn new() -> Self {
        let target = if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(200));
        Watcher { bar, named: Mutex::new(0), said: Mutex::new(Instant::now()) }
    }
}

impl Observer for Watcher {
    fn notice(&self, text: &str) {
        let Ok(mut named) = self.named.lock() else { return };
        *named += 1;
        match (*named).cmp(&NAMED) {
            std::cmp::Ordering::Less => self.bar.suspend(|| remark(text)),
            std::cmp::Ordering::Equal => self.bar.suspend(|| remark(&format!("{text}\n… and more"))),
            std::cmp::Ordering::Greater => {}
        }
    }

    fn progress(&self, so_far: &Reindexed) {
        let Reindexed { objects, records, changes, added, .. } = so_far;
        let text = format!("{objects} objects, {records} records, {changes} changes of status; {added} added");
        let Ok(mut said) = self.said.lock() else { return };
        if said.elapsed() > LINES && !stderr().is_terminal() {
            *said = Instant::now();
            remark(&text);
        }
        self.bar.set_message(text);
    }
}
