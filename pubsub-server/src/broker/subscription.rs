//! One subscription: a book behind a lock, and the consumers that share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::book::{Book, ConsumerId, DeliveryId, Returned};
use super::message::Stored;
use super::window::Window;
use crate::events::Event;
use crate::proto;
use crate::stats::{Counters, SubscriptionStats};
use crate::sync::lock;

pub(crate) struct Subscription {
    name: String,
    /// Begins every ack id; differs between runs of the server and between subscriptions of a name.
    ack_prefix: String,
    pub(super) shared: Arc<Shared>,
    resource: Mutex<proto::Subscription>,
    pub(super) state: Mutex<State>,
    /// Cancelled when the subscription is deleted.
    pub(crate) deleted: CancellationToken,
}

pub(super) struct State {
    pub(super) book: Book,
    pub(super) consumers: HashMap<ConsumerId, Attached>,
    pub(super) next_consumer: ConsumerId,
    pub(super) counts: SubscriptionStats,
    /// Deliveries that were not copies made by the duplication switch.
    pub(super) originals: u64,
}

/// A consumer as the subscription sees it.
pub(super) struct Attached {
    pub(super) window: Window,
    pub(super) wake: Arc<Notify>,
}

impl Subscription {
    pub(super) fn new(resource: proto::Subscription, serial: u64, shared: Arc<Shared>) -> Self {
        let run = super::message::MessageIds::starting_now().take(1);
        let state = State {
            book: Book::new(resource.enable_message_ordering),
            consumers: HashMap::new(),
            next_consumer: 1,
            counts: SubscriptionStats::default(),
            originals: 0,
        };
        Self {
            name: resource.name.clone(),
            ack_prefix: format!("{run:x}-{serial:x}-"),
            shared,
            resource: Mutex::new(resource),
            state: Mutex::new(state),
            deleted: CancellationToken::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn resource(&self) -> proto::Subscription {
        lock(&self.resource).clone()
    }

    /// Whether consumers are told how often a message was delivered.
    pub(super) fn reports_attempts(&self) -> bool {
        lock(&self.resource).dead_letter_policy.is_some()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut proto::Subscription)) {
        change(&mut lock(&self.resource));
    }

    pub(crate) fn push(&self, messages: &[Arc<Stored>]) {
        let mut state = lock(&self.state);
        for message in messages {
            state.book.push(Arc::clone(message));
        }
        state.counts.received += messages.len() as u64;
        state.wake();
    }

    /// Ends the leases with these ack ids for good. The ids that named no lease come back.
    pub(crate) fn acknowledge(&self, ack_ids: &[String]) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut done = Vec::with_capacity(ack_ids.len());
        let mut state = lock(&self.state);
        for ack_id in ack_ids {
            match self.delivery_of(ack_id).and_then(|id| state.book.acknowledge(id)) {
                Some(lease) => {
                    state.give_back(lease.consumer, lease.item.message.bytes());
                    self.log(&lease.item.message, |subscription, message_id| Event::Acked { subscription, message_id });
                    done.push(lease);
                }
                None => {
                    self.shared
                        .events
                        .record(|| Event::AckOfUnknown { subscription: self.name.clone(), ack_id: ack_id.clone() });
                    unknown.push(ack_id.clone());
                }
            }
        }
        state.counts.acked += done.len() as u64;
        state.wake();
        drop(state);
        Counters::add(&self.shared.counters.acked, done.len());
        // The messages are freed here, without the lock.
        drop(done);
        unknown
    }

    /// Moves the deadlines of these leases to `seconds` from now; zero makes their messages ready at
    /// once. The ids that named no lease come back.
    pub(crate) fn modify_deadline(&self, ack_ids: &[String], seconds: i32) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut leased = Vec::new();
        let deadline = Instant::now() + lease_time(seconds);
        let mut state = lock(&self.state);
        for ack_id in ack_ids {
            // Also for a nack: it tells whether the lease still stands.
            match self.delivery_of(ack_id) {
                Some(id) if state.book.extend(id, deadline) => leased.push(id),
                _ => unknown.push(ack_id.clone()),
            }
        }
        if seconds == 0 {
            self.nack(&mut state, leased);
        }
        unknown
    }

    fn nack(&self, state: &mut State, ids: Vec<DeliveryId>) {
        let returned = state.book.take_back(ids);
        state.counts.nacked += returned.len() as u64;
        Counters::add(&self.shared.counters.nacked, returned.len());
        self.after_return(state, &returned, |subscription, message_id| Event::Nacked { subscription, message_id });
    }

    pub(crate) fn expire(&self, now: Instant) {
        let mut state = lock(&self.state);
        let returned = state.book.expire(now);
        if returned.is_empty() {
            return;
        }
        state.counts.expired += returned.len() as u64;
        Counters::add(&self.shared.counters.expired, returned.len());
        self.after_return(&mut state, &returned, |subscription, message_id| Event::Expired {
            subscription,
            message_id,
        });
    }

    /// Makes everything outstanding ready again; how many deliveries that were.
    pub(crate) fn take_back_all(&self) -> usize {
        let mut state = lock(&self.state);
        let returned = state.book.take_back_all();
        self.after_return(&mut state, &returned, |subscription, message_id| Event::TakenBack {
            subscription,
            message_id,
        });
        returned.len()
    }

    fn after_return(&self, state: &mut State, returned: &[Returned], event: impl Fn(String, String) -> Event) {
        for Returned { consumer, message } in returned {
            state.give_back(*consumer, message.bytes());
            self.log(message, &event);
        }
        state.wake();
    }

    pub(super) fn log(&self, message: &Stored, event: impl FnOnce(String, String) -> Event) {
        self.shared.events.record(|| event(self.name.clone(), message.id.to_string()));
    }

    pub(crate) fn ack_id(&self, delivery: DeliveryId) -> String {
        format!("{}{delivery:x}", self.ack_prefix)
    }

    fn delivery_of(&self, ack_id: &str) -> Option<DeliveryId> {
        DeliveryId::from_str_radix(ack_id.strip_prefix(&self.ack_prefix)?, 16).ok()
    }

    pub(crate) fn delete(&self) {
        self.deleted.cancel();
        let mut state = lock(&self.state);
        state.book = Book::new(false);
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let state = lock(&self.state);
        SubscriptionStats {
            backlog: state.book.backlog(),
            outstanding: state.book.outstanding(),
            consumers: state.consumers.len(),
            ..state.counts
        }
    }

    pub(crate) fn unacknowledged(&self) -> Vec<String> {
        lock(&self.state).book.unacknowledged().iter().map(u64::to_string).collect()
    }
}

impl State {
    /// Wakes the consumers that could take something. More than one may wake for one message: the
    /// others find nothing and go back to sleep.
    fn wake(&self) {
        if self.book.has_ready() {
            for consumer in self.consumers.values().filter(|consumer| consumer.window.has_room()) {
                consumer.wake.notify_one();
            }
        }
    }

    fn give_back(&mut self, consumer: ConsumerId, bytes: usize) {
        if let Some(attached) = self.consumers.get_mut(&consumer) {
            attached.window.give_back(bytes);
        }
    }
}

/// How long a lease of so many seconds lasts; never longer than the protocol allows.
pub(super) fn lease_time(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds.clamp(0, 600)).unwrap_or_default())
}
