//! How much may be in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The server keeps to a stream's limits, but grants them anew to every stream that is opened, so that
/// an outage of the database and a flapping connection together would fill the memory. This is the limit
/// that holds across the streams of a lane.
pub(super) struct Room {
    messages: Limit,
    bytes: Limit,
}

/// A place in the [`Room`], free again when it is dropped.
pub(super) struct Place {
    _messages: Option<OwnedSemaphorePermit>,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        Room { messages: Limit::new(messages), bytes: Limit::new(bytes) }
    }

    /// Waits until there is room for a message. One that is larger than all of it waits until it is empty.
    pub(super) async fn place(&self, bytes: usize) -> Place {
        Place { _messages: self.messages.take(1).await, _bytes: self.bytes.take(bytes).await }
    }

    /// Whether the server, too, must think that it may send: with more than half taken, silence may just
    /// be its flow control.
    pub(super) fn is_mostly_free(&self) -> bool {
        self.messages.is_mostly_free() && self.bytes.is_mostly_free()
    }
}

struct Limit {
    most: usize,
    free: Arc<Semaphore>,
}

impl Limit {
    fn new(most: usize) -> Self {
        let most = most.clamp(1, u32::MAX as usize);
        Limit { most, free: Arc::new(Semaphore::new(most)) }
    }

    async fn take(&self, amount: usize) -> Option<OwnedSemaphorePermit> {
        let amount = u32::try_from(amount.min(self.most)).unwrap_or(u32::MAX);
        Arc::clone(&self.free).acquire_many_owned(amount).await.ok()
    }

    fn is_mostly_free(&self) -> bool {
        self.free.available_permits() * 2 >= self.most
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn messages_and_bytes_are_both_limited() {
        let room = Room::new(2, 100);
        let first = room.place(10).now_or_never().expect("there is room");
        assert!(room.is_mostly_free());
        let second = room.place(80).now_or_never().expect("there is room");
        assert!(!room.is_mostly_free());
        assert!(room.place(1).now_or_never().is_none(), "a third message");
        drop(first);
        assert!(room.place(21).now_or_never().is_none(), "101 bytes");
        assert!(room.place(20).now_or_never().is_some());
        drop(second);
        assert!(room.is_mostly_free());
    }

    #[test]
    fn a_giant_waits_until_the_room_is_empty() {
        let room = Room::new(10, 100);
        let small = room.place(1).now_or_never();
        assert!(room.place(1000).now_or_never().is_none());
        drop(small);
        assert!(room.place(1000).now_or_never().is_some());
    }
}
