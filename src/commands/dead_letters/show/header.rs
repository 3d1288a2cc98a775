//! What a dead letter is and where it came from, and the list of what is wrong.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::violation::Violation;
use crate::commands::dead_letters::plain::{beginning, plain};
use crate::dead_letters::records::Entry;

/// More characters of a value are only counted.
const VALUE_CHARS: usize = 300;

/// What it is, one thing a line.
pub(super) fn header(entry: &Entry, record: &Value) -> String {
    let mut header = Header { text: format!("dead letter {}\n", entry.id) };
    header.line("kind", &entry.kind);
    header.line("reason", &format!("{} ({})", entry.reason, entry.class));
    header.line("fingerprint", &entry.fingerprint);
    header.line("status", &status(entry));
    header.line("failed", &format!("{}, attempt {}", time(entry.failed_at), entry.attempt));
    header.line("received", &time(entry.received_at));
    header.line("delivery", &format!("{}, event {} of it", entry.delivery_id, entry.position + 1));
    header.members("source", &record["source"]);
    header.members("keys", &record["keys"]);
    for waiting in &entry.waiting_for {
        header.line("waits for", &format!("{} {}", waiting.table, waiting.id));
    }
    header.line("kept in", &place(entry));
    header.line("payload", &payload(&record["payload"]));
    header.text
}

/// What is wrong, one a line.
pub(super) fn violations(violations: &[Violation]) -> String {
    let line = |violation: &Violation| {
        let path = if violation.path.is_empty() { "the event" } else { &violation.path };
        format!("  {} {} {}\n", violation.number, plain(path), violation.said())
    };
    let lines: String = violations.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\nwrong\n{lines}") }
}

struct Header {
    text: String,
}

impl Header {
    fn line(&mut self, name: &str, value: &str) {
        let value = beginning(value, VALUE_CHARS);
        self.text.push_str(&format!("  {name:<12} {value}\n"));
    }

    /// The members of an object that say something, those of objects in it as `outer.inner`.
    fn members(&mut self, title: &str, object: &Value) {
        for (name, value) in object.as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::Object(inner) => {
                    for (inner, value) in inner {
                        self.line(title, &format!("{name}.{inner} {}", shown(value)));
                    }
                }
                value if value == "" => {}
                value => self.line(title, &format!("{name} {}", shown(value))),
            }
        }
    }
}

/// A text without its quotes, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn status(entry: &Entry) -> String {
    let since = entry.status_at.map(|at| format!(" since {}", time(at))).unwrap_or_default();
    let because = entry.because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
    format!("{}{since}{because}", entry.status)
}

fn place(entry: &Entry) -> String {
    match entry.object.as_ref().zip(entry.line) {
        Some((object, line)) => format!("{object}, line {line}"),
        None => "the database: it waits to be shipped".to_owned(),
    }
}

fn payload(payload: &Value) -> String {
    let bytes = format!("{} bytes", payload["bytes"]);
    let sha256 = payload["sha256"].as_str().map(|sha256| format!(", sha256 {sha256}")).unwrap_or_default();
    let place = match payload["encoding"].as_str().unwrap_or_default() {
        "dead_letter" => format!(", in dead letter {}", shown(&payload["data"])),
        "object" | "reference" => format!(", in {}", shown(&payload["data"])),
        _ => String::new(),
    };
    format!("{bytes}{sha256}{place}")
}
