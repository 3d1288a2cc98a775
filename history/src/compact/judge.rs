//! A verdict on every event of a chunk.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use purser::events::ProductView;
use purser::intake::{Delivery, Receipt};
use purser::pipeline::Outcome;
use purser::pipeline::elsewhere::{self, Sorted};

use super::chunk::{Chunk, End, Input};

/// A chunk of which every event is judged.
pub(super) struct Judged {
    pub(super) input: Arc<Input>,
    /// The positions of its first record, and behind its last.
    pub(super) begin: u64,
    pub(super) to: u64,
    pub(super) bytes: u64,
    pub(super) sorted: Sorted<ProductView>,
    /// As long as there are dead letters to be written about them.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) end: Option<End>,
}

pub(super) fn judge(chunk: Chunk, max_bytes: usize, expired_before: Option<DateTime<Utc>>) -> Judged {
    let Chunk { input, begin, records, end } = chunk;
    let delivery = |(position, record)| input.content.delivery(position, record, Box::new(Nobody));
    let mut deliveries: Vec<Delivery> = (begin..).zip(records).map(delivery).collect();
    let (to, bytes) = (begin + deliveries.len() as u64, deliveries.iter().map(Delivery::bytes).sum());
    let sorted = elsewhere::judge(&deliveries, max_bytes, expired_before);
    if sorted.all_right() {
        deliveries = Vec::new();
    }
    Judged { input, begin, to, bytes, sorted, deliveries, end }
}

/// Nobody waits for what becomes of a record: its file is told once all of them are committed.
struct Nobody;

impl Receipt for Nobody {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}
