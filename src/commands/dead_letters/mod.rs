//! `purser dead-letters`: what was rejected, why, and what is done about it.

mod filters;
mod list;
mod plain;
mod show;
mod table;

use std::process::ExitCode;

use clap::Subcommand;

/// What is to be done with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Group them by cause, most frequent first
    List(list::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(args).await,
    }
}
