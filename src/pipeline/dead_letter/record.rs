//! The record of a dead letter: the line that will stand in the blob store. Its fields are documented in the
//! README.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::DeadLetter;
use super::scribe::Message;
use crate::events::EventKind;
use crate::intake::{Delivery, Origin};
use crate::pipeline::verdict::{Class, MissingReference, Reason, Violation};

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
    data: Cow<'a, str>,
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
    pub(super) fn write_record<K: EventKind>(
        &self,
        delivery: &Delivery,
        message: &Message<'_>,
        sha256: &str,
    ) -> Vec<u8> {
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

    /// The least that a record can be: nothing in it is text that anybody outside has chosen.
    pub(super) fn write_bare_record(&self, delivery: &Delivery) -> Vec<u8> {
        let bare = serde_json::json!({
            "schema": SCHEMA, "id": self.id, "kind": self.kind, "reason": self.reason, "class": self.class,
            "fingerprint": self.fingerprint, "failed_at": self.failed_at, "received_at": self.received_at,
            "published_at": delivery.published_at, "attempt": self.attempt, "position": self.position,
            "payload": self.bare_payload(delivery),
            "delivery": in_base64(&serde_json::json!({"delivery_id": delivery.id, "source": delivery.origin})),
        });
        bare.to_string().into_bytes()
    }
}

/// Nothing in it can be what Postgres refused.
fn in_base64(value: &serde_json::Value) -> String {
    BASE64_STANDARD.encode(value.to_string())
}
