//! A dead letter: a rejected event with all of its reasons, its exact bytes and where it came from.
//! It is born in the transaction that rejected it; [`crate::dead_letters`] ships it from there.

mod again;
mod close;
mod insert;
mod open;
mod outbox;
mod record;
mod rollup;
mod scribe;
mod status;
mod waiting;

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::verdict::{Class, Code, MissingReference, Reason, Rejection, Violation};
use crate::events::EventKind;
use crate::hex::hex;
use crate::intake::Delivery;

pub use close::{CHANGE_SCHEMA, close, end};
pub use outbox::FOLDER;
pub use record::{PAYLOADS, SCHEMA};
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
        letter.record = letter.write_bare_record(delivery);
        letter
    }

    /// The memory that it takes, about.
    #[must_use]
    pub fn held(&self) -> usize {
        // Its errors stand in the record, too.
        size_of::<Self>() + 2 * self.record.len() + self.payload.as_ref().map_or(0, Bytes::len)
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
