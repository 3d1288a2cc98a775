//! A dead letter: a rejected event with all of its reasons, its exact bytes and where it came from.
//! It is born in the transaction that rejected it; [`crate::dead_letters`] ships it from there.

mod again;
mod close;
mod insert;
mod open;
mod outbox;
mod rollup;
mod scribe;
mod status;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::verdict::{Class, Code, MissingReference, Reason, Rejection, Violation};
use crate::events::EventKind;
use crate::hex::hex;
use crate::intake::{Delivery, Origin};

pub use close::{CHANGE_SCHEMA, close, end};
pub use outbox::FOLDER;
pub use status::Status;

pub(super) use again::reject_again;
pub(super) use insert::insert;
pub(super) use open::{Open, lock};
pub(super) use scribe::Scribe;

use rollup::Counted;
use scribe::Message;

/// A rejected event, as it is stored.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Made from the event's id and its payload: the same event rejected again is the same dead letter.
    pub id: Uuid,
    /// Kind of event.
    pub kind: &'static str,
    /// The earliest stage that failed.
    pub reason: Reason,
    /// Equal for events that were rejected for the same cause.
    pub fingerprint: String,
    /// Everything that is wrong.
    pub errors: Vec<Violation>,
    class: Class,
    missing: Vec<MissingReference>,
    event_key: Option<String>,
    delivery_id: String,
    position: u32,
    received_at: DateTime<Utc>,
    failed_at: DateTime<Utc>,
    /// How often it has been judged, this time included.
    attempt: i32,
    /// Of the payload.
    bytes: u64,
    /// The JSON record, without a line end.
    record: Vec<u8>,
    /// A payload that gets an object of its own.
    payload: Option<Bytes>,
}

/// The record as the blob store keeps it; its fields are documented in the README.
#[derive(Serialize)]
struct Record<'a> {
    schema: &'static str,
    id: Uuid,
    kind: &'static str,
    reason: Reason,
    class: Class,
    fingerprint: &'a str,
    errors: &'a [Violation],
    failed_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    published_at: DateTime<Utc>,
    attempt: i32,
    position: u32,
    source: &'a Origin,
    delivery_id: &'a str,
    event_key: Option<&'a str>,
    keys: BTreeMap<&'static str, String>,
    payload: Payload<'a>,
    processor: Processor,
    reference: Reference<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    encoding: &'static str,
    data: std::borrow::Cow<'a, str>,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
struct Processor {
    version: &'static str,
    instance: &'static str,
}

#[derive(Serialize)]
struct Reference<'a> {
    as_of: DateTime<Utc>,
    missing: &'a [MissingReference],
}

/// The version of the record's fields.
pub const SCHEMA: &str = "purser.dead_letter/1";
/// The folder of payloads that have an object of their own.
pub const PAYLOADS: &str = "dead-letter/payloads";

/// Names this process in the records that it writes.
static INSTANCE: LazyLock<String> = LazyLock::new(|| Uuid::now_v7().to_string());

impl DeadLetter {
    /// Makes the record of a rejected event. Its bytes are fixed from here on.
    fn new<K: EventKind>(
        delivery: &Delivery,
        message: &Message<'_>,
        position: u32,
        key: Option<&K::Key>,
        rejection: &Rejection,
    ) -> Self {
        let left_in_file = delivery.left_in_file();
        let sha256 = sha256(delivery);
        let event_key = key.map(|key| without_nul(&key.to_string()));
        let oversize = rejection.reason == Reason::Oversize;
        let replays = delivery.replays.as_ref();
        let mut letter = DeadLetter {
            id: replays.map_or_else(|| id::<K>(delivery, &sha256, position, key), |replays| replays.letter),
            kind: K::NAME,
            reason: rejection.reason,
            fingerprint: fingerprint(K::NAME, rejection),
            errors: rejection.violations.clone(),
            class: rejection.class(),
            missing: rejection.missing.clone(),
            event_key,
            delivery_id: without_nul(&delivery.id),
            position,
            received_at: delivery.received_at,
            failed_at: Utc::now(),
            attempt: replays.map_or(1, |replays| replays.attempt.saturating_add(1)),
            bytes: delivery.bytes(),
            record: Vec::new(),
            payload: (oversize && left_in_file.is_none()).then(|| delivery.payload.clone()),
        };
        letter.record = letter.write_record::<K>(delivery, message, &hex(&sha256));
        letter
    }

    /// The least that a dead letter can be, where Postgres refuses the whole one: id, reason and bytes,
    /// and nothing in it that anybody outside has chosen.
    fn bare<K: EventKind>(
        delivery: &Delivery,
        message: &Message<'_>,
        position: u32,
        key: Option<&K::Key>,
        rejection: &Rejection,
    ) -> Self {
        let mut letter = DeadLetter::new::<K>(delivery, message, position, key, rejection);
        letter.event_key = None;
        letter.delivery_id = hex(&Sha256::digest(&delivery.id));
        letter.errors.clear();
        let bare = serde_json::json!({
            "schema": SCHEMA, "id": letter.id, "kind": letter.kind, "reason": letter.reason, "class": letter.class,
            "fingerprint": letter.fingerprint, "failed_at": letter.failed_at, "received_at": letter.received_at,
            "published_at": delivery.published_at, "attempt": letter.attempt, "position": position,
            "payload": letter.bare_payload(delivery),
            "delivery": in_base64(&serde_json::json!({"delivery_id": delivery.id, "source": delivery.origin})),
        });
        letter.record = bare.to_string().into_bytes();
        letter
    }

    fn write_record<K: EventKind>(&self, delivery: &Delivery, message: &Message<'_>, sha256: &str) -> Vec<u8> {
        let keys = match &message.json {
            Some(json) if self.reason != Reason::Oversize => K::keys(json, self.position).into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let record = Record {
            schema: SCHEMA,
            id: self.id,
            kind: self.kind,
            reason: self.reason,
            class: self.class,
            fingerprint: &self.fingerprint,
            errors: &self.errors,
            failed_at: self.failed_at,
            received_at: self.received_at,
            published_at: delivery.published_at,
            attempt: self.attempt,
            position: self.position,
            source: &delivery.origin,
            delivery_id: &delivery.id,
            event_key: self.event_key.as_deref(),
            keys,
            payload: self.payload(delivery, message, sha256),
            processor: Processor { version: env!("CARGO_PKG_VERSION"), instance: &INSTANCE },
            reference: Reference { as_of: self.failed_at, missing: &self.missing },
        };
        // Strings, numbers and string-keyed maps always serialise.
        serde_json::to_vec(&record).unwrap_or_default()
    }

    fn payload<'a>(&self, delivery: &'a Delivery, message: &Message<'_>, sha256: &str) -> Payload<'a> {
        let (encoding, data) = match (std::str::from_utf8(&delivery.payload), &delivery.origin) {
            _ if message.kept_in.is_some() => {
                ("dead_letter", message.kept_in.map(|letter| letter.to_string()).unwrap_or_default().into())
            }
            _ if self.payload.is_some() => ("object", format!("{PAYLOADS}/{}", self.id).into()),
            (_, Origin::File { object, record, too_large: Some(_), .. }) => {
                ("reference", format!("{object}#{record}").into())
            }
            (Ok(text), _) => ("utf8", text.into()),
            (Err(_), _) => ("base64", BASE64_STANDARD.encode(&delivery.payload).into()),
        };
        Payload { encoding, data, bytes: delivery.bytes(), sha256: sha256.to_owned() }
    }

    /// As base64 even what is text: nothing in it can be what Postgres refused.
    fn bare_payload(&self, delivery: &Delivery) -> serde_json::Value {
        let (encoding, bytes) = match &delivery.origin {
            Origin::File { object, record, too_large: Some(_), .. } => {
                ("reference", format!("{object}#{record}").into())
            }
            _ => ("base64", delivery.payload.clone()),
        };
        serde_json::json!({"encoding": encoding, "data": BASE64_STANDARD.encode(&bytes), "bytes": delivery.bytes()})
    }

    fn codes(&self) -> Vec<&'static str> {
        let codes: BTreeSet<Code> = self.errors.iter().map(|error| error.code).collect();
        codes.into_iter().map(Code::as_str).collect()
    }

    /// For `string_to_array` at commas.
    fn codes_joined(&self) -> String {
        self.codes().join(",")
    }

    /// For `string_to_array` at line ends.
    fn causes_joined(&self) -> String {
        let causes: Vec<String> = causes(&self.errors).into_iter().collect();
        without_nul(&causes.join("\n"))
    }

    fn counted(&self, first_failed: DateTime<Utc>) -> Counted<'_> {
        let waits = self.class == Class::WhenReferenceAppears;
        Counted { kind: self.kind, reason: self.reason.as_str(), codes: self.codes(), failed_at: first_failed, waits }
    }
}

/// Nothing in it can be what Postgres refused.
fn in_base64(value: &serde_json::Value) -> String {
    BASE64_STANDARD.encode(value.to_string())
}

/// The hash of a payload, wherever that is.
pub(super) fn sha256(delivery: &Delivery) -> [u8; 32] {
    delivery.left_in_file().map_or_else(|| Sha256::digest(&delivery.payload).into(), |left| left.sha256)
}

/// The id of the dead letter that an event is, or would be.
pub(super) fn id<K: EventKind>(delivery: &Delivery, sha256: &[u8; 32], position: u32, key: Option<&K::Key>) -> Uuid {
    let event_id = match key {
        Some(key) => format!("{}:{}", K::NAME, without_nul(&key.to_string())),
        None => format!("{}:{}#{position}", K::NAME, delivery.id),
    };
    deterministic_id(&event_id, sha256)
}

/// A uuid (version 8, RFC 9562) that is the same whenever event and payload are.
fn deterministic_id(event_id: &str, payload_sha256: &[u8]) -> Uuid {
    let hash = Sha256::new().chain_update(event_id).chain_update([0]).chain_update(payload_sha256).finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    Uuid::new_v8(half)
}

/// Kind, reason, and what is wrong where; places in an array count as one place.
fn fingerprint(kind: &str, rejection: &Rejection) -> String {
    let mut hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(rejection.reason.as_str());
    for cause in causes(&rejection.violations) {
        hash.update([0]);
        hash.update(cause);
    }
    hex(&hash.finalize()[..8])
}

/// What is wrong, and where: each once, in order.
fn causes(violations: &[Violation]) -> BTreeSet<String> {
    causes_of(violations.iter().map(|violation| (violation.code, violation.path.as_str())))
}

/// The causes of violations with these codes at these paths.
pub(crate) fn causes_of<'v>(violations: impl Iterator<Item = (Code, &'v str)>) -> BTreeSet<String> {
    violations.map(|(code, path)| format!("{code} {}", without_indexes(path))).collect()
}

fn without_indexes(path: &str) -> String {
    let is_index = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').map(|part| if is_index(part) { "*" } else { part }).collect();
    parts.join("/")
}

/// Postgres keeps no NUL in text.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
