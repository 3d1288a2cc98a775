//! The `purser` command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use purser::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    // sqlx, object_store and the Pub/Sub client share one TLS provider; without a default, rustls
    // panics at the first verified connection. It is only ever installed here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
