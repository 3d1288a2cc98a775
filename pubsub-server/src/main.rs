//! `pubsub-server`: the server as a process of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Parser;
use pubsub_server::{Config, Server, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A Pub/Sub server for development and tests. Keeps everything in memory.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, env = "PUBSUB_SERVER_ADDR", default_value = "127.0.0.1:8085")]
    addr: SocketAddr,
    /// Unacknowledged messages to keep before publishing fails.
    #[arg(long, env = "PUBSUB_SERVER_MAX_MESSAGES", default_value_t = Config::default().max_messages)]
    max_messages: usize,
    /// Bytes of unacknowledged messages to keep before publishing fails.
    #[arg(long, env = "PUBSUB_SERVER_MAX_BYTES", default_value_t = Config::default().max_bytes)]
    max_bytes: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when the terminal is gone too.
            let _unseen = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Args { addr, max_messages, max_bytes }: Args) -> anyhow::Result<()> {
    let config = Config { addr, max_messages, max_bytes, ..Config::default() };
    let advise = |error: StartError| anyhow!("{error}: choose another address with --addr or PUBSUB_SERVER_ADDR");
    let server = Server::start(config).await.map_err(advise)?;
    let addr = server.addr();
    writeln!(std::io::stdout(), "Pub/Sub server on {addr}: export PUBSUB_EMULATOR_HOST={addr}")?;
    stop_signal().await?;
    server.shutdown().await;
    Ok(())
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
