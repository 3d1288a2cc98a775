//! `purser-history verify`: reads every file, and says where it is not what it should be.

use std::process::ExitCode;

use anyhow::Context as _;
use purser::commands::terminal::{Stage, remark};
use purser::commands::verify::show;
use purser::config::DatabaseConfig;
use purser::shutdown::Shutdown;

use super::history;
use crate::verifying::verify;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON document, instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseConfig,
}

/// Verifies. Succeeds only when all agree.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (pool, store) = history(&args.database).await?;
    let stage = Stage::new();
    let report = verify(&pool, &store, &Shutdown::on_signals(), &stage).await;
    stage.finish();
    let report = report.context("not everything was read")?;
    show(&report, args.json)?;
    if report.agrees() {
        return Ok(ExitCode::SUCCESS);
    }
    remark("a file never changes: what is gone or changed comes back from a backup alone, or from the raw events");
    Ok(ExitCode::FAILURE)
}
