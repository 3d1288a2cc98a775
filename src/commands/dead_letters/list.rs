//! `purser dead-letters list`: the causes, most frequent first.

use std::process::ExitCode;

use chrono::{DateTime, Utc};

use super::causes::cause;
use super::filters::{Which, WithStatus};
use super::plain::plain;
use super::table::{Side, table};
use crate::commands::terminal::{answer, remark};
use crate::config::DatabaseConfig;
use crate::database;
use crate::dead_letters::groups::{Group, groups};

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    status: WithStatus,
    /// So many causes at the most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    limit: i64,
    /// One JSON object per cause, instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseConfig,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { which, status, limit, json, database } = args;
    let pool = database::open(&database).await?;
    let mut groups = groups(&pool, &which.with(&status), None, limit + 1).await?;
    let more = groups.len() as i64 > limit;
    groups.truncate(limit as usize);
    match json {
        true => answer(lines(&groups)?)?,
        false => answer(as_table(&groups))?,
    };
    match (groups.is_empty(), more) {
        (true, _) => remark("no dead letters match"),
        (_, true) => remark(&format!("there are more causes than the {limit} shown: --limit shows more")),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(groups: &[Group]) -> anyhow::Result<String> {
    let lines: Result<Vec<String>, _> = groups.iter().map(|group| Ok(serde_json::to_string(group)? + "\n")).collect();
    lines.map(|lines| lines.concat())
}

fn as_table(groups: &[Group]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let titles = [
        ("count", Side::Right),
        ("share", Side::Right),
        ("kind", Side::Left),
        ("reason", Side::Left),
        ("what is wrong", Side::Left),
        ("first seen", Side::Left),
        ("last seen", Side::Left),
        ("fingerprint", Side::Left),
        ("sample", Side::Left),
        ("waiting for", Side::Left),
    ];
    let rows: Vec<_> = groups.iter().map(row).collect();
    table(titles, &rows)
}

fn row(group: &Group) -> [String; 10] {
    let Group { fingerprint, kind, reason, count, share, first_seen, last_seen, sample_id, waiting_for, .. } = group;
    let waiting: Vec<String> = waiting_for
        .iter()
        .map(|waited| format!("{} {} ({})", waited.table, plain(&waited.id), waited.letters))
        .collect();
    [
        count.to_string(),
        format!("{:.1}%", share * 100.0),
        kind.clone(),
        reason.clone(),
        cause(group),
        time(*first_seen),
        time(*last_seen),
        fingerprint.clone(),
        sample_id.to_string(),
        waiting.join(", "),
    ]
}

fn time(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S").to_string()
}
