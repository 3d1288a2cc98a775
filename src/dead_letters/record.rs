//! A record of a dead letter, as it is read back: what trying its event again needs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::intake::Origin;

/// The parts of a record by which its event can be judged again. The rest is for people.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    /// Of the dead letter.
    pub id: Uuid,
    /// Name of the kind of event.
    pub kind: String,
    /// When the message came in.
    pub received_at: DateTime<Utc>,
    /// When the message was published; records of before had it only where Pub/Sub said so.
    published_at: Option<DateTime<Utc>>,
    /// Place of the event in its message.
    #[serde(default)]
    pub position: u32,
    source: Option<Origin>,
    delivery_id: Option<String>,
    /// Both of them, where a record is to hold no text that anybody outside has chosen.
    delivery: Option<String>,
    /// Where the payload is.
    pub payload: Payload,
}

/// A payload, or where it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Payload {
    /// `utf8`, `base64`, `object`, `reference` or `dead_letter`.
    pub encoding: String,
    /// The payload itself, or its place.
    pub data: String,
    /// Of the payload, in hexadecimal.
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct Encoded {
    delivery_id: String,
    source: Origin,
}

impl Payload {
    /// The dead letter that keeps it, where that is another one.
    #[must_use]
    pub fn kept_in(&self) -> Option<Uuid> {
        (self.encoding == "dead_letter").then(|| Uuid::try_parse(&self.data).ok()).flatten()
    }
}

impl Record {
    /// The id of the delivery, and everything else that its intake knew.
    #[must_use]
    pub fn delivery(&self) -> Option<(String, Origin)> {
        match (&self.delivery_id, &self.source, &self.delivery) {
            (Some(id), Some(source), _) => Some((id.clone(), source.clone())),
            (_, _, Some(encoded)) => {
                let decoded = BASE64_STANDARD.decode(encoded).ok()?;
                let Encoded { delivery_id, source } = serde_json::from_slice(&decoded).ok()?;
                Some((delivery_id, source))
            }
            _ => None,
        }
    }

    /// When the message was published.
    #[must_use]
    pub fn published_at(&self) -> DateTime<Utc> {
        let by_source = || match &self.source {
            Some(Origin::PubSub { publish_time, .. }) => Some(*publish_time),
            _ => None,
        };
        self.published_at.or_else(by_source).unwrap_or(self.received_at)
    }
}
