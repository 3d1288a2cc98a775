//! The words of the command line. Each is a file here: its flags, and what it does.

pub mod attributes;
mod breaker;
mod check;
mod dead_letters;
mod demo;
mod expire;
mod forget;
pub mod import;
pub mod ingest;
mod serve;
pub mod terminal;
pub mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::service::Roles;
use crate::telemetry::{self, BatchLines, LogFormat};

/// Takes shop events off Google Cloud Pub/Sub, keeps the good ones in Postgres exactly once, and the
/// bad ones, with every reason, as dead letters.
#[derive(Debug, Parser)]
#[command(name = "purser", version)]
pub struct Cli {
    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    /// Send traces to this OpenTelemetry collector, as OTLP over HTTP, such as `http://localhost:4318`
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", global = true)]
    otlp_endpoint: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything embedded, with a synthetic shop publishing into it
    Demo(Box<demo::Args>),
    /// Worker and HTTP service in one process
    Serve(Box<serve::Args>),
    /// The worker alone: Pub/Sub to Postgres and dead letters; answers how it is over HTTP
    Worker(Box<serve::Args>),
    /// The HTTP service alone
    Api(Box<serve::Args>),
    /// Bring the database schema up to date
    Migrate(serve::MigrateArgs),
    /// Load reference data from JSON or CSV: users, articles, shoppers, or the orders of the shop
    Import(import::Args),
    /// Back-fill events from files, through the same pipeline
    Ingest(ingest::Args),
    /// Dry run: a verdict per record, nothing written
    Check(check::Args),
    /// What was rejected, why, and what is done about it
    DeadLetters(dead_letters::Args),
    /// What is held back because too many events are rejected; let it through, or hold it
    Breaker(breaker::Args),
    /// Recompute every sum, session and ledger from the rows, and say where they differ
    Verify(verify::Args),
    /// Remove a person's data from rows, dead letters and blobs; sums stay true
    Forget(forget::Args),
    /// Retention: remove rows and dead letters that are old enough; sums stay
    Expire(expire::Args),
}

impl Cli {
    /// Does what the command says, until it is done or told to stop.
    ///
    /// # Errors
    /// What a person at a terminal should read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let batches = match self.command {
            Command::Serve(_) | Command::Worker(_) | Command::Api(_) => BatchLines::Shown,
            _ => BatchLines::Hidden,
        };
        let _telemetry = telemetry::start(self.log_format, batches, self.otlp_endpoint.as_deref())?;
        match self.command {
            Command::Demo(args) => demo::run(*args).await?,
            Command::Serve(args) => serve::run(*args, Roles { worker: true, api: true }).await?,
            Command::Worker(args) => serve::run(*args, Roles { worker: true, api: false }).await?,
            Command::Api(args) => serve::run(*args, Roles { worker: false, api: true }).await?,
            Command::Migrate(args) => serve::migrate(args).await?,
            Command::Import(args) => return import::run(args).await,
            Command::Ingest(args) => return ingest::run(args).await,
            Command::Check(args) => return check::run(args).await,
            Command::DeadLetters(args) => return dead_letters::run(args).await,
            Command::Breaker(args) => return breaker::run(args).await,
            Command::Verify(args) => return verify::run(args).await,
            Command::Forget(args) => return forget::run(args).await,
            Command::Expire(args) => return expire::run(args).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}
