//! `purser verify`: recomputes everything that is derived, and says where it differs.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::terminal::{Stage, answer, remark};
use crate::blob::Blob;
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database;
use crate::shutdown::Shutdown;
use crate::verify::{Checked, Found, Report, Verifier, Watcher, checks};

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Compare only this; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(checks()))]
    only: Vec<String>,
    /// Mend what is derived: add the differences, while writers are at work
    #[arg(long)]
    repair: bool,
    /// One JSON document, instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

/// Verifies. Succeeds only when all agree, be it after they were mended.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let pool = database::open(&args.database).await?;
    let blob = Some(Blob::open(&args.blob.blob_url)?);
    let stage = Arc::new(Stage::new());
    let watcher = Arc::clone(&stage) as Arc<dyn Watcher>;
    let verifier = Verifier { pool, blob, repair: args.repair, shutdown: Shutdown::on_signals(), watcher };
    let report = verifier.verify(&args.only).await;
    stage.finish();
    let report = report.context("not everything was compared")?;
    show(&report, args.json)?;
    match report.agrees() {
        true => Ok(ExitCode::SUCCESS),
        false => {
            remark(&advice(&report, args.repair));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Prints what was found, as a table or as one JSON document.
///
/// # Errors
/// When it cannot be written.
pub fn show(report: &Report, json: bool) -> anyhow::Result<()> {
    match json {
        true => answer(format!("{}\n", serde_json::to_string_pretty(&Json::of(report))?))?,
        false => answer(table(report))?,
    };
    Ok(())
}

#[derive(Serialize)]
struct Json<'r> {
    agrees: bool,
    #[serde(flatten)]
    report: &'r Report,
}

impl<'r> Json<'r> {
    fn of(report: &'r Report) -> Self {
        Json { agrees: report.agrees(), report }
    }
}

/// What was compared, a line each, and below it the differences, a line each.
fn table(report: &Report) -> String {
    let mut text = lines(report.checks.iter().map(|check| [check.name.to_owned(), verdict(check)]));
    let differences = || report.checks.iter().flat_map(|check| &check.differences);
    if differences().next().is_some() {
        let head = ["WHAT", "WHERE", "EXPECTED", "FOUND", ""].map(str::to_owned);
        text.push('\n');
        text += &lines([head].into_iter().chain(differences().map(row)));
    }
    for Checked { name, mended, left, differences } in &report.checks {
        let more = (mended + left).saturating_sub(differences.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "and {more} more of {name}");
        }
    }
    text
}

fn verdict(check: &Checked) -> String {
    match (check.left, check.mended) {
        (0, 0) => "agrees".to_owned(),
        (0, mended) => format!("agrees; differences mended: {mended}"),
        (left, 0) => format!("differs: {left}"),
        (left, mended) => format!("differs: {left}; mended: {mended}"),
    }
}

fn row(found: &Found) -> [String; 5] {
    let difference = found.difference.clone();
    let state = if found.mended { "mended" } else { "" };
    [difference.what, difference.place, difference.expected, difference.found, state.to_owned()]
}

/// Columns as wide as what stands in them.
fn lines<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// What is no sum that could be made again.
const BEYOND_REPAIR: [&str; 3] = ["ledger", "dead_letters", "history"];

/// What to do about what is left.
fn advice(report: &Report, repaired: bool) -> String {
    let is_left = |name: &str| report.checks.iter().any(|check| check.name == name && check.left > 0);
    let mut advice = Vec::new();
    if !repaired && report.checks.iter().any(|check| check.left > 0 && !BEYOND_REPAIR.contains(&check.name)) {
        advice.push("`purser verify --repair` mends what is derived");
    }
    if is_left("dead_letters") || is_left("waiting") {
        advice.push(
            "`purser dead-letters reindex` makes the index of dead letters anew from what the blob store holds; \
             what is gone or changed there comes back from a backup alone",
        );
    }
    if is_left("history") {
        advice.push("files of the history are not made again: what is gone or changed comes back from a backup alone");
    }
    if is_left("ledger") {
        advice.push("rows or dead letters were added or removed by hand: the ledger is not changed");
    }
    advice.join("\n")
}
