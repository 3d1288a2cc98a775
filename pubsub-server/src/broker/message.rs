//! A published message, encoded once and shared by every subscription and delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::Message as _;

use super::retention::Space;
use crate::proto::PubsubMessage;

/// Keeps its share of the retention limit for as long as any subscription holds it.
pub(crate) struct Stored {
    pub(crate) id: u64,
    pub(crate) ordering_key: String,
    /// The whole `PubsubMessage`, id and publish time included, as it goes on the wire.
    pub(crate) wire: Bytes,
    _space: Space,
}

impl Stored {
    pub(crate) fn new(
        mut message: PubsubMessage,
        id: u64,
        published: prost_types::Timestamp,
        space: Space,
    ) -> Arc<Self> {
        message.message_id = id.to_string();
        message.publish_time = Some(published);
        // A buffer of its own: a slice of the request would keep the whole request alive.
        let wire = Bytes::from(message.encode_to_vec());
        Arc::new(Self { id, ordering_key: message.ordering_key, wire, _space: space })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.wire.len()
    }
}

/// Hands out message ids that no earlier run of the process handed out.
///
/// They count up from the nanosecond of the start, so two runs can only meet if the first published
/// more than a message per nanosecond, or if the clock was set back between them.
pub(crate) struct MessageIds(AtomicU64);

impl MessageIds {
    pub(crate) fn starting_now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(AtomicU64::new(u64::try_from(since_epoch.as_nanos()).unwrap_or_default()))
    }

    /// The first of `count` ids in a row.
    pub(crate) fn take(&self, count: usize) -> u64 {
        self.0.fetch_add(count as u64, Ordering::Relaxed)
    }
}
