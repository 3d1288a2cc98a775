//! The `purser-history` command.

use std::process::ExitCode;

use clap::Parser as _;
use purser::commands::terminal::remark;
use purser_history::commands::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Everything here shares one TLS provider; without a default, rustls panics at the first verified connection.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            remark(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
