//! What is wrong, as a record says it.

use serde_json::Value;

use crate::commands::dead_letters::plain::plain;

/// One thing that is wrong. Everything in it was written by whoever sent the event, or may have been.
#[derive(Debug, Clone, Default)]
pub(super) struct Violation {
    /// Its place in the list of all that is wrong, from 1.
    pub(super) number: usize,
    pub(super) code: String,
    pub(super) path: String,
    expected: String,
    actual: String,
}

impl Violation {
    /// Everything that a record says is wrong. One that lacks a part is shown without it.
    pub(super) fn all(record: &Value) -> Vec<Violation> {
        let errors = record["errors"].as_array().into_iter().flatten();
        let violation = |(number, error): (usize, &Value)| {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            Violation {
                number,
                code: text("code"),
                path: text("path"),
                expected: text("expected"),
                actual: text("actual"),
            }
        };
        (1..).zip(errors).map(violation).collect()
    }

    /// What was found in place of what, on one line.
    pub(super) fn said(&self) -> String {
        let found = match self.code.as_str() {
            "missing" => String::new(),
            _ => format!(", found {}", plain(&self.actual)),
        };
        format!("{}: expected {}{found}", plain(&self.code), plain(&self.expected))
    }
}
