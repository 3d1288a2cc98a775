//! What became of many events: of the lines of a body, or of the events of one message.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::problem::LetterSummary;
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Violation;

/// What became of several events.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct Summary {
    received: u32,
    stored: u32,
    duplicate: u32,
    rejected: u32,
    ignored: u32,
    /// Every event that counts and was not stored, and every line without any that does.
    items: Vec<Item>,
}

/// An event that was not stored.
#[derive(Debug, Serialize, ToSchema)]
struct Item {
    /// Of ndjson: the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// Of a message with several events: which of them, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    /// `duplicate`, `rejected` or `ignored`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<LetterSummary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
}

/// What is to be said of a message about which one sentence says everything.
pub(super) fn only(outcomes: &[Outcome]) -> Option<&Outcome> {
    let mut counted = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Ignored));
    match (counted.next(), counted.next()) {
        (None, _) => Some(&Outcome::Ignored),
        (one, None) => one,
        _ => None,
    }
}

impl Summary {
    /// Adds the events of one message, in their order.
    pub(super) fn add(&mut self, line: Option<u32>, outcomes: &[Outcome]) {
        let several = outcomes.len() > 1;
        for (position, outcome) in (0..).zip(outcomes) {
            self.received += 1;
            let item = Item {
                line,
                position: several.then_some(position),
                outcome: "",
                id: None,
                dead_letter: None,
                errors: Vec::new(),
            };
            let item = self.count(outcome, item);
            self.items.extend(item);
        }
        if matches!(only(outcomes), Some(Outcome::Ignored)) {
            let (outcome, errors) = ("ignored", Vec::new());
            self.items.push(Item { line, position: None, outcome, id: None, dead_letter: None, errors });
        }
    }

    /// Counts an event, and fills in its item when it is to have one.
    fn count(&mut self, outcome: &Outcome, item: Item) -> Option<Item> {
        match outcome {
            Outcome::Stored { .. } => self.stored += 1,
            Outcome::Ignored => self.ignored += 1,
            Outcome::Duplicate { key } => {
                self.duplicate += 1;
                return Some(Item { outcome: "duplicate", id: Some(key.clone()), ..item });
            }
            Outcome::Rejected(letter) | Outcome::RejectedBefore(letter) => {
                self.rejected += 1;
                let (dead_letter, errors) = (Some((&**letter).into()), letter.errors.clone());
                return Some(Item { outcome: "rejected", dead_letter, errors, ..item });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stored() -> Outcome {
        Outcome::Stored { key: "s".to_owned() }
    }

    fn duplicate() -> Outcome {
        Outcome::Duplicate { key: "d".to_owned() }
    }

    fn summary(messages: &[(Option<u32>, &[Outcome])]) -> Value {
        let mut summary = Summary::default();
        messages.iter().for_each(|(line, outcomes)| summary.add(*line, outcomes));
        serde_json::to_value(summary).unwrap()
    }

    #[test]
    fn items_name_the_line_and_the_event() {
        let lines =
            summary(&[(Some(1), &[stored()]), (Some(3), &[Outcome::Ignored, duplicate()]), (Some(4), &[duplicate()])]);
        let items = json!([
            {"line": 3, "position": 1, "outcome": "duplicate", "id": "d"},
            {"line": 4, "outcome": "duplicate", "id": "d"},
        ]);
        let expected = json!({"received": 4, "stored": 1, "duplicate": 2, "rejected": 0, "ignored": 1, "items": items});
        assert_eq!(lines, expected);
    }

    #[test]
    fn events_that_do_not_count_are_one_item_where_nothing_else_is() {
        let ignored = [Outcome::Ignored, Outcome::Ignored];
        let lines = summary(&[(Some(2), &ignored), (Some(3), &[Outcome::Ignored])]);
        assert_eq!(lines["ignored"], 3);
        assert_eq!(lines["items"], json!([{"line": 2, "outcome": "ignored"}, {"line": 3, "outcome": "ignored"}]));
    }

    #[test]
    fn one_event_that_counts_speaks_for_its_message() {
        assert!(matches!(only(&[Outcome::Ignored, duplicate()]), Some(Outcome::Duplicate { .. })));
        assert!(matches!(only(&[Outcome::Ignored, Outcome::Ignored]), Some(Outcome::Ignored)));
        assert!(only(&[stored(), Outcome::Ignored, duplicate()]).is_none());
    }
}
