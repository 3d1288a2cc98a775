//! `purser dead-letters`: what was rejected, why, and what is done about it.

mod causes;
mod discard;
mod filters;
mod list;
mod plain;
mod progress;
mod reindex;
mod replay;
mod show;
mod table;

use std::process::ExitCode;

use clap::Subcommand;

/// Flags of `dead-letters`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Group them by cause, most frequent first
    List(list::Args),
    /// One of them: what is wrong with it, and where in its payload
    Show(show::Args),
    /// Try them again: what is stored now is closed, the rest stays
    Replay(replay::Args),
    /// Mark them as not wanted; they are kept, and tried again by nothing
    Discard(discard::Args),
    /// Rebuild the index in the database from the blob store alone
    Reindex(reindex::Args),
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Discard(args) => discard::run(args).await,
        Command::Reindex(args) => reindex::run(args).await,
    }
}
