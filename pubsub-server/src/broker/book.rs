//! What one subscription still owes its consumers: a queue of ready messages and a book of leases.
//!
//! Pure: time comes in as an argument, nothing here waits or locks.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Instant;

use super::message::Stored;
use super::ordering::KeyGate;

/// Names one delivery; never used twice in the life of a subscription.
pub(crate) type DeliveryId = u64;
/// Names a stream or a unary pull.
pub(crate) type ConsumerId = u64;

/// A message that waits for its next delivery.
pub(crate) struct Item {
    pub(crate) message: Arc<Stored>,
    pub(crate) attempts: u32,
    /// A copy made by the duplication switch; not duplicated again.
    pub(crate) copy: bool,
}

pub(crate) struct Lease {
    pub(crate) item: Item,
    pub(crate) consumer: ConsumerId,
    deadline: Instant,
}

/// One delivery that was just made.
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) message: Arc<Stored>,
    pub(crate) attempt: u32,
    pub(crate) copy: bool,
}

/// A lease that ended without an acknowledgement; its message is ready again.
pub(crate) struct Returned {
    pub(crate) consumer: ConsumerId,
    pub(crate) message: Arc<Stored>,
}

/// How much one call of [`Book::deliver`] may hand out.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// The largest first message, which may be larger than `bytes`: otherwise it would wait for ever.
    pub(crate) first: usize,
}

pub(crate) struct Book {
    ready: VecDeque<Item>,
    leases: HashMap<DeliveryId, Lease, BuildHasherDefault<Spread>>,
    next_delivery: DeliveryId,
    /// No lease ends before this instant. Found by the last scan and lowered by every new deadline, it
    /// spares the scan of all leases while nothing can have expired: no timer per message is needed.
    earliest_deadline: Option<Instant>,
    gate: Option<KeyGate>,
}

impl Book {
    pub(crate) fn new(ordered: bool) -> Self {
        Self {
            ready: VecDeque::new(),
            leases: HashMap::default(),
            next_delivery: 1,
            earliest_deadline: None,
            gate: ordered.then(KeyGate::default),
        }
    }

    pub(crate) fn push(&mut self, message: Arc<Stored>) {
        self.ready.push_back(Item { message, attempts: 0, copy: false });
    }

    /// Queues a second delivery of a message that was just delivered.
    pub(crate) fn push_copy(&mut self, of: &Delivery) {
        self.ready.push_back(Item { message: Arc::clone(&of.message), attempts: of.attempt, copy: true });
    }

    pub(crate) fn deliver(&mut self, consumer: ConsumerId, deadline: Instant, allowance: Allowance) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(self.ready.len().min(allowance.messages));
        let mut bytes = 0;
        if let Some(gate) = &mut self.gate {
            gate.next_batch();
        }
        while deliveries.len() < allowance.messages {
            let Some(next) = self.ready.front() else { break };
            let limit = if deliveries.is_empty() { allowance.first } else { allowance.bytes };
            if bytes + next.message.bytes() > limit {
                break;
            }
            let Some(item) = self.ready.pop_front() else { break };
            let Some(item) = self.admit(item) else { continue };
            bytes += item.message.bytes();
            deliveries.push(self.lease(item, consumer, deadline));
        }
        deliveries
    }

    fn admit(&mut self, item: Item) -> Option<Item> {
        match &mut self.gate {
            Some(gate) => gate.admit(item),
            None => Some(item),
        }
    }

    fn lease(&mut self, mut item: Item, consumer: ConsumerId, deadline: Instant) -> Delivery {
        let id = self.next_delivery;
        self.next_delivery += 1;
        item.attempts += 1;
        let delivery = Delivery { id, message: Arc::clone(&item.message), attempt: item.attempts, copy: item.copy };
        self.leases.insert(id, Lease { item, consumer, deadline });
        self.note_deadline(deadline);
        delivery
    }

    /// `None` when the lease is over or never was; then nothing happens.
    pub(crate) fn acknowledge(&mut self, id: DeliveryId) -> Option<Lease> {
        let lease = self.leases.remove(&id)?;
        if let Some(gate) = &mut self.gate {
            let unblocked = gate.finish(&lease.item.message.ordering_key);
            push_front_all(&mut self.ready, unblocked);
        }
        Some(lease)
    }

    /// Moves the deadline of a lease; false when the lease is over or never was.
    pub(crate) fn extend(&mut self, id: DeliveryId, deadline: Instant) -> bool {
        let Some(lease) = self.leases.get_mut(&id) else { return false };
        lease.deadline = deadline;
        self.note_deadline(deadline);
        true
    }

    /// Shortens to `deadline` the leases of a consumer that has gone.
    pub(crate) fn shorten(&mut self, consumer: ConsumerId, deadline: Instant) {
        for lease in self.leases.values_mut().filter(|lease| lease.consumer == consumer) {
            lease.deadline = lease.deadline.min(deadline);
        }
        self.note_deadline(deadline);
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Returned> {
        if self.earliest_deadline.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let expired = self.leases.iter().filter(|(_, lease)| lease.deadline <= now).map(|(id, _)| *id).collect();
        let returned = self.take_back(expired);
        self.earliest_deadline = self.leases.values().map(|lease| lease.deadline).min();
        returned
    }

    pub(crate) fn take_back_all(&mut self) -> Vec<Returned> {
        self.take_back(self.leases.keys().copied().collect())
    }

    /// Makes the messages of these leases ready again, ahead of everything else and in their old order.
    /// With ordering on, the later messages of the same keys come back with them.
    pub(crate) fn take_back(&mut self, mut ids: Vec<DeliveryId>) -> Vec<Returned> {
        if let Some(gate) = &mut self.gate {
            let keys = gate.keys_of(ids.iter().filter_map(|id| self.leases.get(id)));
            ids.extend(
                self.leases
                    .iter()
                    .filter(|(_, lease)| keys.contains(&lease.item.message.ordering_key))
                    .map(|(id, _)| *id),
            );
            for key in &keys {
                push_front_all(&mut self.ready, gate.reset(key));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let mut returned: Vec<Returned> = Vec::with_capacity(ids.len());
        for id in ids.into_iter().rev() {
            let Some(Lease { item, consumer, .. }) = self.leases.remove(&id) else { continue };
            returned.push(Returned { consumer, message: Arc::clone(&item.message) });
            self.ready.push_front(item);
        }
        returned
    }

    fn note_deadline(&mut self, deadline: Instant) {
        self.earliest_deadline = Some(self.earliest_deadline.map_or(deadline, |earliest| earliest.min(deadline)));
    }

    /// Messages that wait for a delivery.
    pub(crate) fn backlog(&self) -> usize {
        self.ready.len() + self.gate.as_ref().map_or(0, KeyGate::parked)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Deliveries that are neither acknowledged nor expired.
    pub(crate) fn outstanding(&self) -> usize {
        self.leases.len()
    }

    /// Ids of every message that is not acknowledged, ascending, each once.
    pub(crate) fn unacknowledged(&self) -> Vec<u64> {
        let parked = self.gate.iter().flat_map(KeyGate::items);
        let leased = self.leases.values().map(|lease| &lease.item);
        let mut ids: Vec<u64> = self.ready.iter().chain(parked).chain(leased).map(|item| item.message.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn push_front_all(ready: &mut VecDeque<Item>, items: VecDeque<Item>) {
    for item in items.into_iter().rev() {
        ready.push_front(item);
    }
}

/// Delivery ids are consecutive: multiplying spreads them well enough, at a fraction of SipHash's cost.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
