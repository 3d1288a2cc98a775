//! `purser forget`: a person's data, everywhere.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

use super::terminal::answer;
use crate::blob::Blob;
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database::{self, Run};
use crate::dead_letters::Shipper;
use crate::forget::{Report, Request, forget};
use crate::shutdown::Shutdown;

/// Flags of `forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    who: Who,
    /// Say what would be touched, and touch nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// Whose id this is, as a user, shopper, customer or visitor
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Whose address this is, with all of their ids
    #[arg(long, value_name = "ADDRESS", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    email: Option<String>,
}

/// Forgets, and prints what that touched. Fails when something is left to do.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { who, dry_run, database, blob } = args;
    let pool = database::open(&database).await?;
    let blob = Blob::open(&blob.blob_url)?;
    let shipper = Shipper::unwatched(pool, blob);
    let request = who.user.map(Request::User).or(who.email.map(Request::Email)).context("--user or --email")?;
    let run = if dry_run { Run::Dry } else { Run::Real };
    let report = forget(&shipper, &request, run, &Shutdown::on_signals()).await?;
    answer(describe(&report, run))?;
    Ok(if report.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(Report { touched, left, history }: &Report, run: Run) -> String {
    let mut text = String::new();
    for (what, number) in touched.iter().filter(|(_, number)| **number > 0) {
        let _ = writeln!(text, "{number:>10}  {what}");
    }
    let _ = match (touched.values().sum::<u64>(), run) {
        (0, _) if *history => writeln!(text, "nothing of this person is here but, maybe, in files of the history"),
        (0, _) => writeln!(text, "nothing of this person is here"),
        (_, Run::Dry) => writeln!(text, "nothing was changed: this was a dry run"),
        (_, Run::Real) => writeln!(
            text,
            "forgotten. What is not ours still has it: backups, the publisher, what Pub/Sub retains, files that were \
             ingested or imported, older versions of objects where the bucket keeps them"
        ),
    };
    if *history {
        text.push_str("next: `purser-history forget` takes this person out of the files of the history\n");
    }
    for left in left {
        let _ = writeln!(text, "left to do: {left}");
    }
    text
}
