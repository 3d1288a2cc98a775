//! Counters that are always on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Of the whole server, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages accepted, including those that no subscription wanted.
    pub published: u64,
    /// Deliveries, redeliveries included.
    pub delivered: u64,
    /// Acknowledgements applied.
    pub acked: u64,
    /// Deliveries that were refused by the client.
    pub nacked: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Messages waiting for a delivery now, summed over the subscriptions.
    pub backlog: usize,
    /// Deliveries out and not acknowledged now, summed over the subscriptions.
    pub outstanding: usize,
    /// Streaming pulls open now.
    pub open_streams: usize,
    /// Connections open now, idle ones included.
    pub open_connections: usize,
    /// Messages in memory now; a message that several subscriptions hold counts once.
    pub retained_messages: usize,
    /// Bytes of those messages, encoded.
    pub retained_bytes: usize,
}

/// Of one subscription, since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages that were put into it.
    pub received: u64,
    /// Deliveries, redeliveries included.
    pub delivered: u64,
    /// Acknowledgements applied.
    pub acked: u64,
    /// Deliveries that were refused by the client.
    pub nacked: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Messages waiting for a delivery now.
    pub backlog: usize,
    /// Deliveries out and not acknowledged now.
    pub outstanding: usize,
    /// Streaming pulls and unary pulls open now.
    pub consumers: usize,
}

/// What cannot be summed up from the subscriptions, because those may be deleted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) published: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) nacked: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) open_streams: AtomicUsize,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            published: self.published.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            acked: self.acked.load(Ordering::Relaxed),
            nacked: self.nacked.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            open_streams: self.open_streams.load(Ordering::Relaxed),
            ..Stats::default()
        }
    }
}
