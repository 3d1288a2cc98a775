//! One message as it arrived, whatever brought it, and the handle that acknowledges it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pipeline::Outcome;
use crate::pipeline::dead_letter::Status;

/// What brought a delivery; a column of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A Pub/Sub subscription.
    PubSub,
    /// A request to the HTTP service.
    Http,
    /// A file of a back-fill.
    File,
    /// A dead letter that is tried again.
    Replay,
}

impl Source {
    /// All of them.
    pub const ALL: &'static [Source] = &[Source::PubSub, Source::Http, Source::File, Source::Replay];

    /// The word in ledger and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::PubSub => "pubsub",
            Source::Http => "http",
            Source::File => "file",
            Source::Replay => "replay",
        }
    }
}

/// Everything that the intake knew about a delivery: the `source` of its dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "intake", rename_all = "lowercase")]
pub enum Origin {
    /// A Pub/Sub message.
    PubSub {
        /// Full name of the subscription.
        subscription: std::sync::Arc<str>,
        /// Given by the server; not unique across restarts of an emulator.
        message_id: String,
        /// Given by the server.
        publish_time: DateTime<Utc>,
        /// Empty when the publisher set none.
        ordering_key: String,
        /// Only where the subscription has a dead-letter policy.
        delivery_attempt: Option<i32>,
        /// As the publisher set them.
        attributes: BTreeMap<String, String>,
    },
    /// A request.
    Http {
        /// The id in the log and in the answer's `X-Request-Id`.
        request_id: String,
        /// Line of an ndjson body, from 1; absent for a single event.
        line: Option<u32>,
        /// What the query said of all events of the request.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    },
    /// A record of a file.
    File {
        /// Where the file was read from.
        object: std::sync::Arc<str>,
        /// The record's number, from 1.
        record: u64,
        /// What was said on the command line of all of its records.
        #[serde(default, skip_serializing_if = "no_attributes")]
        attributes: std::sync::Arc<BTreeMap<String, String>>,
        /// Set when the record is larger than the limit: then the payload is empty, and the record
        /// stays where it is.
        #[serde(skip)]
        too_large: Option<TooLarge>,
    },
}

fn no_attributes(attributes: &BTreeMap<String, String>) -> bool {
    attributes.is_empty()
}

/// What is remembered of a record that is too large to be carried: enough to find it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// How many bytes it has.
    pub bytes: u64,
    /// What they hash to.
    pub sha256: [u8; 32],
}

/// The handle that tells the intake what became of a delivery.
///
/// Dropping it unsettled makes the intake deliver again, or answer that it could not be decided.
pub trait Receipt: Send + Sync {
    /// Called once the batch is being decided: `false` when the sender has withdrawn the delivery.
    fn claim(&mut self) -> bool {
        true
    }

    /// Acknowledges: every event of the delivery has committed, with these outcomes, in their order.
    fn settle(self: Box<Self>, outcomes: Vec<Outcome>);
}

/// One message on its way through the pipeline.
#[must_use = "a delivery that is dropped is delivered again"]
pub struct Delivery {
    /// Unique for ever, the same for a redelivery of the same message (never a bare message id).
    pub id: String,
    /// The bytes, exactly as they came.
    pub payload: Bytes,
    /// When it was published; rules about time compare with it, so that judging again tomorrow
    /// gives the same verdict.
    pub published_at: DateTime<Utc>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// What the intake knew.
    pub origin: Origin,
    /// Set when it was rejected before and is tried again.
    pub replays: Option<Replays>,
    /// How it is acknowledged.
    pub receipt: Box<dyn Receipt>,
}

/// The dead letter that a delivery tries again. Delivery id, receive time and payload are those of the first
/// time; of several events in the payload, only this letter's is judged.
#[derive(Debug, Clone)]
pub struct Replays {
    /// Its id.
    pub letter: Uuid,
    /// Place of its event in the message.
    pub position: u32,
    /// How often it has been judged so far. If it has been judged, or closed, by somebody else when it comes
    /// to be decided, it counts as ignored.
    pub attempt: i32,
    /// The dead letter that keeps the payload, where that is another one.
    pub kept_in: Option<Uuid>,
    /// What it becomes when its event is stored.
    pub becomes: Status,
}

impl Delivery {
    /// How many bytes the event has, also when they are not carried along.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.left_in_file().map_or(self.payload.len() as u64, |left| left.bytes)
    }

    /// What its sender said about it beside the payload: a Pub/Sub attribute, a flag, a query parameter.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let attributes = match &self.origin {
            Origin::PubSub { attributes, .. } | Origin::Http { attributes, .. } => attributes,
            Origin::File { attributes, .. } => &**attributes,
        };
        attributes.get(name).map(String::as_str)
    }

    /// The file that it was read from.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        match &self.origin {
            Origin::File { object, .. } => Some(object),
            Origin::PubSub { .. } | Origin::Http { .. } => None,
        }
    }

    /// What is known of a record that is too large to be carried.
    #[must_use]
    pub fn left_in_file(&self) -> Option<TooLarge> {
        match self.origin {
            Origin::File { too_large, .. } => too_large,
            Origin::PubSub { .. } | Origin::Http { .. } => None,
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("id", &self.id).field("bytes", &self.payload.len()).finish_non_exhaustive()
    }
}
