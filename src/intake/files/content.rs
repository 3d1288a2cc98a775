//! A content that is registered, and what its records are delivered as.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Record;
use super::ingested::Sha256;
use crate::hex::hex;
use crate::intake::{Delivery, Origin, Receipt};

/// What all records of a file have in common.
#[derive(Debug)]
pub struct Content {
    /// Where the file is read from.
    pub name: Arc<str>,
    /// Hash of its decompressed bytes.
    pub sha256: Sha256,
    /// When it was registered: its records count as published then, whenever they are judged.
    published_at: DateTime<Utc>,
    /// What was said of all records.
    attributes: Arc<BTreeMap<String, String>>,
    /// The beginning of the ids of its deliveries.
    id: String,
}

impl Content {
    /// A content that was registered then.
    #[must_use]
    pub fn new(
        name: Arc<str>,
        sha256: Sha256,
        published_at: DateTime<Utc>,
        attributes: Arc<BTreeMap<String, String>>,
    ) -> Self {
        let id = format!("file:{}#", hex(&sha256));
        Content { name, sha256, published_at, attributes, id }
    }

    /// The record at this position, from 0.
    pub fn delivery(&self, position: u64, record: Record, receipt: Box<dyn Receipt>) -> Delivery {
        let (payload, too_large) = record.into_payload();
        Delivery {
            id: format!("{}{position}", self.id),
            payload,
            published_at: self.published_at,
            received_at: Utc::now(),
            origin: Origin::File {
                object: Arc::clone(&self.name),
                record: position + 1,
                attributes: Arc::clone(&self.attributes),
                too_large,
            },
            replays: None,
            receipt,
        }
    }
}
