//! Views to measure with, and how fast they are decoded. By hand, with absolute paths:
//!
//! ```text
//! cargo bench -p purser-history --bench history -- generate json --views 5000000 --days 7 --to /data/json
//! cargo bench -p purser-history --bench history -- generate files --views 100000000 --days 30 --to /data/history \
//!     --database postgres://…
//! cargo bench -p purser-history --bench history -- parse /data/json
//! ```
//!
//! `history/tools/compare.py` compares what is done with them with DuckDB.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and ends by panicking")]

mod files;
mod json;
mod likeness;
mod parse;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make views up, in the likeness of a real day
    #[command(subcommand)]
    Generate(Generate),
    /// Decode and validate the batches of a folder on one core, against a parser that does nothing with them
    Parse(parse::Args),
}

#[derive(Subcommand)]
enum Generate {
    /// As mParticle sends them: what `purser-history compact` reads
    Json(json::Args),
    /// As files of the history, with their rows in the catalog
    Files(files::Args),
}

#[tokio::main]
async fn main() {
    // What cargo says to every bench.
    let flags = Flags::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    match flags.command {
        Command::Generate(Generate::Json(args)) => json::run(args).await,
        Command::Generate(Generate::Files(args)) => files::run(args).await,
        Command::Parse(args) => parse::run(&args).await,
    }
}
