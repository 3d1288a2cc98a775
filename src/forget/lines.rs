//! Lines of objects: what in them names a person, and what is left of such a line.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::dead_letters::CHANGE_SCHEMA;
use crate::domain::Person;
use crate::hex::hex;

/// Where a payload was.
const GONE: &str = "forgotten";
/// The fields of a record in which nobody outside has a say.
const KEPT: [&str; 12] = [
    "schema",
    "id",
    "kind",
    "reason",
    "class",
    "fingerprint",
    "failed_at",
    "received_at",
    "published_at",
    "attempt",
    "position",
    "processor",
];

/// A line that is a record of a dead letter, or of what became of one.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) letter: Uuid,
    /// Whether it names the person.
    pub(super) names: bool,
    pub(super) payload: Payload,
}

/// Where the payload of a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    /// Here, or nowhere.
    Here,
    /// With this dead letter, of the same message.
    With(Uuid),
    /// In an object of its own.
    Apart,
}

impl Line {
    /// Reads a line without its end. `None` when it is none of ours.
    pub(super) fn read(line: &[u8], person: &Person) -> Option<Line> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let letter = value["id"].as_str()?.parse().ok()?;
        let names = person.is_named_in(line) || hidden(&value).any(|text| person.is_named_in(&text));
        let payload = match (value["payload"]["encoding"].as_str(), value["payload"]["data"].as_str()) {
            (Some("dead_letter"), Some(keeper)) => keeper.parse().map_or(Payload::Here, Payload::With),
            (Some("object"), _) => Payload::Apart,
            _ => Payload::Here,
        };
        Some(Line { letter, names, payload })
    }
}

/// What stands in base64.
fn hidden(value: &Value) -> impl Iterator<Item = Vec<u8>> {
    let payload = value["payload"]["data"].as_str().filter(|_| value["payload"]["encoding"] == "base64");
    [payload, value["delivery"].as_str()].into_iter().flatten().filter_map(|text| BASE64_STANDARD.decode(text).ok())
}

/// What is left of a line; `None` when that is the line itself.
pub(super) fn blanked(line: &[u8], person: &Person) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(line).ok()?;
    if value["payload"]["encoding"] == GONE {
        return None;
    }
    if value["schema"] == CHANGE_SCHEMA {
        value["because"] = Value::Null;
        return Some(value.to_string().into_bytes());
    }
    let delivery = value["delivery_id"].as_str().or(value["delivery"].as_str()).unwrap_or_default();
    let delivery = match person.is_named_in(delivery.as_bytes()) || !value["delivery"].is_null() {
        true => hex(&Sha256::digest(delivery)),
        false => delivery.to_owned(),
    };
    let key = value["event_key"].as_str().filter(|key| !person.is(key));
    let errors = value["errors"].as_array().into_iter().flatten();
    let errors: Vec<Value> = errors
        .map(|error| {
            let (code, path, expected) = (&error["code"], &error["path"], &error["expected"]);
            json!({"code": code, "path": path, "expected": expected, "actual": "", "message": ""})
        })
        .collect();
    let mut left = json!({
        "delivery_id": delivery, "event_key": key, "errors": errors, "keys": {}, "source": null,
        "payload": {"encoding": GONE, "data": "", "bytes": value["payload"]["bytes"]},
        "reference": {"as_of": value["reference"]["as_of"], "missing": []},
    });
    for field in KEPT {
        if let Some(kept) = value.get_mut(field) {
            left[field] = kept.take();
        }
    }
    Some(left.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dan() -> Person {
        Person { ids: [("46".to_owned(), Uuid::nil())].into(), emails: ["dan@example.com".to_owned()].into() }
    }

    fn record(payload: &Value) -> Value {
        json!({
            "schema": "purser.dead_letter/1", "id": Uuid::nil(), "kind": "order", "reason": "shape", "attempt": 2,
            "errors": [{"code": "format", "path": "/email", "expected": "x", "actual": "dan@example.com", "message": "dan@example.com"}],
            "source": {"intake": "http", "attributes": {"who": "dan@example.com"}}, "delivery_id": "http:order:dan@example.com",
            "keys": {"user_id": "46"}, "payload": payload, "reference": {"as_of": "2026-01-01T00:00:00Z", "missing": []},
        })
    }

    #[test]
    fn nothing_of_the_person_is_left_and_the_line_is_blanked_once() {
        let payload =
            json!({"encoding": "utf8", "data": "{\"email\":\"dan@example.com\"", "bytes": 25, "sha256": "ab"});
        let line = record(&payload).to_string().into_bytes();
        assert!(Line::read(&line, &dan()).unwrap().names);
        let left = blanked(&line, &dan()).unwrap();
        let value: Value = serde_json::from_slice(&left).unwrap();
        assert!(!Line::read(&left, &dan()).unwrap().names, "{value}");
        assert_eq!(value["errors"][0]["path"], "/email");
        assert_eq!((&value["attempt"], &value["payload"]["bytes"]), (&json!(2), &json!(25)));
        assert_eq!(blanked(&left, &dan()), None);
    }

    #[test]
    fn base64_hides_nobody() {
        let hidden = BASE64_STANDARD.encode("\u{feff}dan@example.com");
        let mut line = record(&json!({"encoding": "base64", "data": hidden}));
        for field in ["errors", "source", "delivery_id", "keys"] {
            line[field] = Value::Null;
        }
        assert!(Line::read(line.to_string().as_bytes(), &dan()).unwrap().names);
        line["payload"]["data"] = BASE64_STANDARD.encode("somebody else").into();
        assert!(!Line::read(line.to_string().as_bytes(), &dan()).unwrap().names);
    }

    #[test]
    fn a_change_of_status_loses_its_words_alone() {
        let line = json!({"schema": CHANGE_SCHEMA, "id": Uuid::nil(), "status": "discarded", "because": "dan@example.com asked"});
        let left: Value = serde_json::from_slice(&blanked(line.to_string().as_bytes(), &dan()).unwrap()).unwrap();
        assert_eq!(left, json!({"schema": CHANGE_SCHEMA, "id": Uuid::nil(), "status": "discarded", "because": null}));
    }
}
