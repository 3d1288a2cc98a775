//! `purser check`: a verdict per record, and nothing written anywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::Utc;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::attributes::Attributes;
use super::terminal::{answer, remark};
use crate::database;
use crate::events::{KINDS, Kind};
use crate::intake::files::{Object, Record, list};
use crate::intake::{Delivery, Origin, Receipt};
use crate::pipeline::Outcome;
use crate::pipeline::check::Finding;
use crate::pipeline::check_references::References;
use crate::pipeline::verdict::{Reason, Violation};
use crate::secret::Secret;
use crate::shutdown::Shutdown;

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the file holds
    #[arg(value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: String,
    /// A file, a folder, a URL as `ingest` takes it, or `-` for standard input
    file: String,
    /// One JSON object per record, instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    attributes: Attributes,
    /// Larger records are rejected as `oversize`
    #[arg(long, env = "MAX_EVENT_BYTES", default_value_t = 1 << 20)]
    max_event_bytes: usize,
    /// Postgres that holds users and articles; unset, references are not checked
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
}

/// Checks the file. Fails when a record is rejected.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut checked = Checked::default();
    let kind = Kind::named(&args.kind).context("no such kind of event")?;
    check(kind, &args, &mut checked).await?;
    remark(&checked.to_string());
    match checked.rejected.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

async fn check(kind: &Kind, args: &Args, checked: &mut Checked) -> anyhow::Result<()> {
    let (references, attributes) = (references(args)?, args.attributes.of(kind)?);
    let shutdown = Shutdown::on_signals();
    for object in list(&args.file).await? {
        let (mut records, mut numbers) = (object.records(args.max_event_bytes, &shutdown), 1..);
        while let Some(chunk) = records.next().await {
            let deliveries: Vec<_> = chunk
                .into_iter()
                .zip(numbers.by_ref())
                .map(|(record, number)| delivery(&object, number, &attributes, record))
                .collect();
            let verdicts = kind.check(&deliveries, args.max_event_bytes, references.as_ref()).await?;
            if !answer(checked.describe(&deliveries, &verdicts, args.json)?)? {
                return Ok(());
            }
        }
        let contents = records.finish().await.with_context(|| format!("cannot read {}", object.name))?;
        if contents.cut_off {
            remark(&format!("{}: the array is not closed; is the file whole?", object.name));
        }
    }
    Ok(())
}

fn references(args: &Args) -> anyhow::Result<Option<References>> {
    let Some(url) = &args.database_url else {
        remark("references: not checked (DATABASE_URL is not set)");
        return Ok(None);
    };
    let pool = database::connect(url.expose(), 2)?;
    Ok(Some(References::new(pool)))
}

fn delivery(object: &Object, number: u64, attributes: &Arc<BTreeMap<String, String>>, record: Record) -> Delivery {
    let (payload, too_large) = record.into_payload();
    let (now, object) = (Utc::now(), object.name.clone());
    let origin = Origin::File { object, record: number, attributes: Arc::clone(attributes), too_large };
    Delivery {
        id: String::new(),
        payload,
        published_at: now,
        received_at: now,
        origin,
        replays: None,
        receipt: Box::new(Nobody),
    }
}

/// Nobody waits for what is only checked.
struct Nobody;

impl Receipt for Nobody {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}

/// What was found so far.
#[derive(Default)]
struct Checked {
    accepted: u64,
    ignored: u64,
    rejected: BTreeMap<Reason, u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    record: u64,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    errors: &'a [Violation],
}

impl Checked {
    fn describe(&mut self, deliveries: &[Delivery], verdicts: &[Vec<Finding>], json: bool) -> anyhow::Result<String> {
        let mut text = String::new();
        for (delivery, verdicts) in deliveries.iter().zip(verdicts) {
            let Origin::File { object: file, record, .. } = &delivery.origin else { continue };
            for line in self.lines(file, *record, verdicts) {
                match json {
                    true => writeln!(text, "{}", serde_json::to_string(&line)?)?,
                    false => line.write(&mut text)?,
                }
            }
        }
        Ok(text)
    }

    fn lines<'a>(&mut self, file: &'a str, record: u64, findings: &'a [Finding]) -> Vec<Line<'a>> {
        let line = |verdict, reason, errors| Line { file, record, verdict, reason, errors };
        let lines = findings.iter().map(|finding| match finding {
            Finding::Accepted => {
                self.accepted += 1;
                line("accepted", None, &[])
            }
            Finding::Ignored => {
                self.ignored += 1;
                line("ignored", None, &[])
            }
            Finding::Rejected(rejection) => {
                *self.rejected.entry(rejection.reason).or_default() += 1;
                line("rejected", Some(rejection.reason), rejection.violations.as_slice())
            }
        });
        lines.collect()
    }
}

impl Line<'_> {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Line { file, record, verdict, reason, errors } = self;
        let reason = reason.map_or("", Reason::as_str);
        writeln!(text, "{}", format!("{file}:{record}: {verdict} {reason}").trim_end())?;
        errors.iter().try_for_each(|error| writeln!(text, "  {}: {}", error.code, error.message))
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rejected: u64 = self.rejected.values().sum();
        write!(f, "{} accepted, {rejected} rejected", self.accepted)?;
        let reasons: Vec<String> = self.rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        if !reasons.is_empty() {
            write!(f, " ({})", reasons.join(", "))?;
        }
        match self.ignored {
            0 => Ok(()),
            ignored => write!(f, ", {ignored} ignored"),
        }
    }
}
