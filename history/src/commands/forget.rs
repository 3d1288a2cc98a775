//! `purser-history forget`: people out of files.

use std::process::ExitCode;

use purser::commands::terminal::{Progress, answer};
use purser::config::DatabaseConfig;
use purser::shutdown::Shutdown;

use super::history;
use crate::forgetting::forget;

/// Flags of `forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseConfig,
}

/// Forgets, and prints how many files that touched.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (pool, store) = history(&args.database).await?;
    let progress = Progress::new();
    let rewritten = forget(&pool, &store, &Shutdown::on_signals(), &progress).await;
    progress.finish();
    answer(match rewritten? {
        0 => "nobody who was forgotten is in a file of the history\n".to_owned(),
        files => {
            format!("rewritten: {files} files. The old ones are deleted by `purser-history compact`, from an hour on\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
