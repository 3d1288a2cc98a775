//! `purser dead-letters discard`: kept and marked, and tried again by nothing.

use std::process::ExitCode;

use anyhow::ensure;

use super::causes::Causes;
use super::filters::{self, Meant};
use super::progress::Progress;
use super::table::{Side, table};
use crate::blob::Blob;
use crate::commands::terminal::{answer, remark};
use crate::config::DatabaseConfig;
use crate::database;
use crate::dead_letters::discard::{Discarded, discard};
use crate::dead_letters::records::count;
use crate::dead_letters::{Interrupted, Shipper};
use crate::shutdown::Shutdown;

/// Flags of `discard`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    meant: Meant,
    /// Why they are not wanted; it is kept with them
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: String,
    /// All open ones, where no filter is given
    #[arg(long)]
    all: bool,
    /// Say how many there are, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseConfig,
    /// Ship the marks there when done; unset, they wait in the database for a worker
    #[arg(long, env = "BLOB_URL")]
    blob_url: Option<String>,
}

/// Discards. Fails when it was stopped.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { meant, because, all, dry_run, database, blob_url } = args;
    let filter = meant.open();
    ensure!(
        all || !filter.is_everything(),
        "this would discard all open dead letters: name some, filter, or say --all"
    );
    let blob = blob_url.as_deref().map(Blob::open).transpose()?;
    let (pool, shutdown) = (database::open(&database).await?, Shutdown::on_signals());
    let total = count(&pool, &filter).await?;
    if dry_run {
        answer(format!("{total} would be discarded\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let causes = Causes::of(&pool, &filter).await?;
    let (mut progress, mut discarded) = (Progress::of(total), Discarded::new());
    let ended = discard(&pool, &filter, &because, &shutdown, |so_far| {
        progress.is(so_far.values().sum());
        discarded.clone_from(so_far);
    });
    let ended = ended.await;
    progress.finish();
    answer(describe(&discarded, &causes))?;
    if let Some(blob) = blob {
        Shipper::unwatched(pool, blob).ship_now().await;
    }
    match ended {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(Interrupted::Stopped(_)) => {
            remark(filters::GO_ON);
            Ok(ExitCode::FAILURE)
        }
        Err(away @ Interrupted::Away(_)) => Err(anyhow::Error::from(away).context(filters::GO_ON)),
    }
}

fn describe(discarded: &Discarded, causes: &Causes) -> String {
    let mut by_count: Vec<(&String, &u64)> = discarded.iter().collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let row =
        |(fingerprint, count): (&String, &u64)| [count.to_string(), fingerprint.clone(), causes.describe(fingerprint)];
    let sum = [discarded.values().sum::<u64>().to_string(), "all".to_owned(), String::new()];
    let rows: Vec<_> = by_count.into_iter().map(row).chain([sum]).collect();
    table([("discarded", Side::Right), ("fingerprint", Side::Left), ("what was wrong", Side::Left)], &rows)
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why they are not wanted".to_owned()),
        text => Ok(text.to_owned()),
    }
}
