//! The words of the command line. Each is a file here: its flags, and what it does.

mod executor;
mod scheduler;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use purser::telemetry::{self, BatchLines, LogFormat};

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
    /// Answer the questions of Purser's API about files of the history
    Serve(Box<serve::Args>),
    /// Head of a cluster that works on questions: plans them, and hands the parts out
    Scheduler(Box<scheduler::Args>),
    /// Hands of a cluster: works on parts of questions
    Executor(Box<executor::Args>),
}

impl Cli {
    /// Does what the command says, until it is done or told to stop.
    ///
    /// # Errors
    /// What a person at a terminal should read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let _telemetry = telemetry::start(self.log_format, BatchLines::Hidden, None)?;
        match self.command {
            Command::Scheduler(args) => scheduler::run(*args).await?,
            Command::Executor(args) => executor::run(*args).await?,
            Command::Serve(args) => serve::run(*args).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
