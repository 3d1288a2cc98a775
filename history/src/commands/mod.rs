//! The words of the command line. Each is a file here: its flags, and what it does.

mod compact;
mod executor;
mod forget;
mod scheduler;
mod serve;
mod verify;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use purser::config::DatabaseConfig;
use purser::database;
use purser::telemetry::{self, BatchLines, LogFormat};
use sqlx::PgPool;

use crate::catalog;
use crate::store::Store;

/// Keeps years of product views as Parquet files, and answers how often products were viewed.
#[derive(Debug, Parser)]
#[command(name = "purser-history", version)]
pub struct Cli {
    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn raw JSON into files of the history
    Compact(compact::Args),
    /// Answer the questions of Purser's API about files of the history
    Serve(Box<serve::Args>),
    /// Head of a cluster that works on questions: plans them, and hands the parts out
    Scheduler(Box<scheduler::Args>),
    /// Hands of a cluster: works on parts of questions
    Executor(Box<executor::Args>),
    /// Rewrite the files that hold views of people whom `purser forget` has forgotten
    Forget(forget::Args),
    /// Read every file, and say where it is not what the catalog says, or a view stands in two places
    Verify(verify::Args),
}

impl Cli {
    /// Does what the command says, until it is done or told to stop.
    ///
    /// # Errors
    /// What a person at a terminal should read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let _telemetry = telemetry::start(self.log_format, BatchLines::Hidden, None)?;
        match self.command {
            Command::Compact(args) => return compact::run(args).await,
            Command::Scheduler(args) => scheduler::run(*args).await?,
            Command::Executor(args) => executor::run(*args).await?,
            Command::Serve(args) => serve::run(*args).await?,
            Command::Forget(args) => return forget::run(args).await,
            Command::Verify(args) => return verify::run(args).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The history that this database knows.
async fn history(config: &DatabaseConfig) -> anyhow::Result<(PgPool, Store)> {
    let pool = database::open(config).await?;
    let url = catalog::url(&pool).await?.context("this database has no history: `purser-history compact` makes one")?;
    Ok((pool, Store::open(&url)?))
}
