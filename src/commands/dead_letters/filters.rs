//! Flags that say which dead letters are meant.

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use uuid::Uuid;

use crate::dead_letters::{Filter, Status};
use crate::domain::parse_instant_or_age;
use crate::events::KINDS;
use crate::pipeline::verdict::{Code, Reason};

/// What is said when something long was stopped.
pub(super) const GO_ON: &str = "stopped before the end: the same command goes on from here";

/// What every one of them must be.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The kind of event
    #[arg(long, value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: Option<String>,
    /// The earliest stage that failed
    #[arg(long, value_parser = reason())]
    reason: Option<Reason>,
    /// What is wrong, perhaps beside other things
    #[arg(long, value_parser = code())]
    code: Option<Code>,
    /// The cause, as `list` names it
    #[arg(long)]
    fingerprint: Option<String>,
    /// First rejected then or later: a date, an RFC 3339 time, or an age such as `2h` or `3d`
    #[arg(long, value_parser = instant_or_age)]
    since: Option<DateTime<Utc>>,
    /// First rejected before then: the same
    #[arg(long, value_parser = instant_or_age)]
    until: Option<DateTime<Utc>>,
}

/// What has become of them.
#[derive(Debug, clap::Args)]
pub(super) struct WithStatus {
    /// What has become of it, or `all`
    #[arg(long, default_value = "open", value_parser = PossibleValuesParser::new(words(Status::ALL, Status::as_str).chain(["all"])))]
    status: String,
}

/// Those that are named, or those that the filters let through.
#[derive(Debug, clap::Args)]
pub(super) struct Meant {
    /// These dead letters
    #[arg(value_name = "ID")]
    ids: Vec<Uuid>,
    #[command(flatten)]
    which: Which,
}

impl Which {
    /// Those of this status.
    pub(super) fn with(self, status: &WithStatus) -> Filter {
        Filter { status: Status::named(&status.status), ..self.filter(Vec::new()) }
    }

    fn filter(self, ids: Vec<Uuid>) -> Filter {
        let Which { kind, reason, code, fingerprint, since, until } = self;
        let kind = kind.and_then(|name| KINDS.iter().find(|kind| kind.name == name)).map(|kind| kind.name);
        Filter { ids, kind, reason, code, fingerprint, since, until, status: Some(Status::Open) }
    }
}

impl Meant {
    /// The open ones among them.
    pub(super) fn open(self) -> Filter {
        self.which.filter(self.ids)
    }
}

fn reason() -> impl clap::builder::TypedValueParser<Value = Reason> {
    let words = PossibleValuesParser::new(words(Reason::ALL, Reason::as_str));
    words.try_map(|word| Reason::named(&word).ok_or("not known"))
}

fn code() -> impl clap::builder::TypedValueParser<Value = Code> {
    PossibleValuesParser::new(words(Code::ALL, Code::as_str)).try_map(|word| Code::named(&word).ok_or("not known"))
}

fn words<T: Copy>(all: &'static [T], word: fn(T) -> &'static str) -> impl Iterator<Item = &'static str> {
    all.iter().map(move |one| word(*one))
}

fn instant_or_age(text: &str) -> Result<DateTime<Utc>, String> {
    let expected = "expected a date, an RFC 3339 time, or an age such as 30m, 2h, 3d or 1w";
    parse_instant_or_age(text, Utc::now()).map_err(|_| expected.to_owned())
}
