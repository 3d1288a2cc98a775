//! A line of an object: the record of a dead letter, a change of status, or neither.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::hex::hex;
use crate::pipeline::dead_letter::{CHANGE_SCHEMA, SCHEMA, Status, causes_of};
use crate::pipeline::verdict::{Class, Code, Reason};

/// What the index keeps of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) reason: Reason,
    pub(super) class: Class,
    pub(super) fingerprint: String,
    pub(super) codes: Vec<&'static str>,
    pub(super) causes: Vec<String>,
    pub(super) event_key: Option<String>,
    pub(super) delivery_id: String,
    pub(super) position: i32,
    pub(super) received_at: DateTime<Utc>,
    pub(super) failed_at: DateTime<Utc>,
    pub(super) attempt: i32,
    pub(super) payload_bytes: i64,
    /// Tables and ids of the rows that it lacks.
    pub(super) missing: Vec<(String, String)>,
    /// The object that holds its payload, where that has one of its own.
    pub(super) payload_object: Option<String>,
}

/// What the folder says has become of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: Uuid,
    pub(super) status: Status,
    pub(super) at: DateTime<Utc>,
    pub(super) because: Option<String>,
}

/// Why a line is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no record: {0}")]
    Broken(#[from] serde_json::Error),
    #[error("its {0} is not one that could have been written here")]
    Foreign(&'static str),
}

/// The fields of a record. Those that the least of records lacks have a default.
#[derive(Deserialize)]
struct Record {
    schema: String,
    id: Uuid,
    kind: String,
    reason: String,
    class: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    errors: Vec<Wrong>,
    failed_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    #[serde(default = "first")]
    attempt: i32,
    position: i32,
    #[serde(default)]
    delivery_id: Option<String>,
    /// The delivery of the least of records, in base64.
    #[serde(default)]
    delivery: Option<String>,
    #[serde(default)]
    event_key: Option<String>,
    payload: Payload,
    #[serde(default)]
    reference: Option<Lacking>,
}

/// Before there were attempts, a record was of the first.
const fn first() -> i32 {
    1
}

#[derive(Deserialize)]
struct Wrong {
    code: String,
    path: String,
}

#[derive(Deserialize)]
struct Payload {
    encoding: String,
    data: String,
    bytes: i64,
}

#[derive(Deserialize)]
struct Lacking {
    missing: Vec<Missing>,
}

#[derive(Deserialize)]
struct Missing {
    table: String,
    id: String,
}

/// The most bytes of a text that stands in an index.
const KEY_BYTES: usize = 1000;

impl Letter {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no record of ours.
    pub(super) fn read(line: &[u8]) -> Result<Self, Unusable> {
        let record: Record = serde_json::from_slice(line)?;
        known(record.schema == SCHEMA, "schema")?;
        known(is_word(&record.kind), "kind")?;
        known(record.attempt >= 1 && record.position >= 0, "attempt or position")?;
        known(record.fingerprint.len() <= 64, "fingerprint")?;
        known(record.event_key.as_ref().is_none_or(|key| key.len() <= KEY_BYTES), "event_key")?;
        let errors: Option<Vec<(Code, &str)>> =
            record.errors.iter().map(|wrong| Some((Code::named(&wrong.code)?, wrong.path.as_str()))).collect();
        let errors = errors.ok_or(Unusable::Foreign("code"))?;
        let missing = record.reference.map(|reference| reference.missing).unwrap_or_default();
        known(missing.iter().all(|row| is_word(&row.table) && row.id.len() <= KEY_BYTES), "missing row")?;
        let mut codes: Vec<Code> = errors.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        Ok(Letter {
            id: record.id,
            reason: Reason::named(&record.reason).ok_or(Unusable::Foreign("reason"))?,
            class: Class::named(&record.class).ok_or(Unusable::Foreign("class"))?,
            codes: codes.into_iter().map(Code::as_str).collect(),
            causes: causes_of(errors.into_iter()).into_iter().map(|cause| without_nul(&cause)).collect(),
            event_key: record.event_key.as_deref().map(without_nul),
            delivery_id: match (record.delivery_id, record.delivery) {
                (Some(id), _) => without_nul(&id),
                (None, delivery) => hashed(&delivery.unwrap_or_default()).ok_or(Unusable::Foreign("delivery"))?,
            },
            kind: record.kind,
            fingerprint: without_nul(&record.fingerprint),
            position: record.position,
            received_at: record.received_at,
            failed_at: record.failed_at,
            attempt: record.attempt,
            payload_bytes: record.payload.bytes,
            missing: missing.into_iter().map(|row| (row.table, without_nul(&row.id))).collect(),
            payload_object: (record.payload.encoding == "object").then_some(record.payload.data),
        })
    }
}

impl Change {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no change of status of ours.
    pub(super) fn read(line: &[u8]) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Record {
            schema: String,
            id: Uuid,
            status: String,
            at: DateTime<Utc>,
            because: Option<String>,
        }
        let Record { schema, id, status, at, because } = serde_json::from_slice(line)?;
        known(schema == CHANGE_SCHEMA, "schema")?;
        let status = Status::named(&status).ok_or(Unusable::Foreign("status"))?;
        Ok(Change { id, status, at, because: because.as_deref().map(without_nul) })
    }
}

fn known(is_known: bool, what: &'static str) -> Result<(), Unusable> {
    if is_known { Ok(()) } else { Err(Unusable::Foreign(what)) }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The delivery id of the least of records, which the index has as a hash.
fn hashed(delivery: &str) -> Option<String> {
    let delivery: serde_json::Value = serde_json::from_slice(&BASE64_STANDARD.decode(delivery).ok()?).ok()?;
    Some(hex(&Sha256::digest(delivery["delivery_id"].as_str()?)))
}

/// Postgres keeps no NUL in text.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
