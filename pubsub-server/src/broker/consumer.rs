//! A stream or a unary pull, attached to its subscription for as long as this value lives.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::book::{ConsumerId, Delivery};
use super::subscription::{Attached, Subscription, lease_time};
use super::window::Window;
use crate::events::Event;
use crate::proto::ReceivedMessage;
use crate::stats::Counters;
use crate::sync::lock;

/// Of one response: as the real service, and below the 4 MiB that gRPC clients accept unless told more.
const RESPONSE_MESSAGES: usize = 1000;
const RESPONSE_BYTES: usize = 3_500_000;

pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) subscription: Arc<Subscription>,
    /// Told when there may be something to take.
    pub(crate) wake: Arc<Notify>,
}

impl Consumer {
    pub(crate) fn attach(subscription: Arc<Subscription>, window: Window) -> Self {
        let wake = Arc::new(Notify::new());
        let mut state = lock(&subscription.state);
        let id = state.next_consumer;
        state.next_consumer += 1;
        state.consumers.insert(id, Attached { window, wake: Arc::clone(&wake) });
        drop(state);
        Self { id, subscription, wake }
    }

    /// Takes what is ready and fits, leased for `seconds`; empty when there is nothing.
    pub(crate) fn take(&self, at_most: usize, seconds: i32) -> Vec<ReceivedMessage> {
        let deliveries = self.deliver(at_most.min(RESPONSE_MESSAGES), seconds);
        if deliveries.is_empty() {
            return Vec::new();
        }
        Counters::add(&self.subscription.shared.counters.delivered, deliveries.len());
        let count_attempts = self.subscription.reports_attempts();
        let received = |delivery: Delivery| ReceivedMessage {
            ack_id: self.subscription.ack_id(delivery.id),
            message: delivery.message.wire.clone(),
            // As the real service: zero, meaning unknown, without a dead-letter policy.
            delivery_attempt: if count_attempts { i32::try_from(delivery.attempt).unwrap_or(i32::MAX) } else { 0 },
        };
        deliveries.into_iter().map(received).collect()
    }

    fn deliver(&self, at_most: usize, seconds: i32) -> Vec<Delivery> {
        let deadline = Instant::now() + lease_time(seconds);
        let mut guard = lock(&self.subscription.state);
        let state = &mut *guard;
        let Some(attached) = state.consumers.get_mut(&self.id) else { return Vec::new() };
        let allowance = attached.window.allowance(at_most, RESPONSE_BYTES);
        let deliveries = state.book.deliver(self.id, deadline, allowance);
        let duplicate_every = self.subscription.shared.switches.duplicate_every();
        for delivery in &deliveries {
            attached.window.take(delivery.message.bytes());
            state.counts.delivered += 1;
            state.originals += u64::from(!delivery.copy);
            if duplicate_every > 0 && !delivery.copy && state.originals.is_multiple_of(duplicate_every) {
                state.book.push_copy(delivery);
            }
            self.subscription.log(&delivery.message, |subscription, message_id| Event::Delivered {
                subscription,
                message_id,
                attempt: delivery.attempt,
            });
        }
        deliveries
    }
}

impl Drop for Consumer {
    /// What it holds stays leased: clients go on acknowledging what they took from a closed stream.
    fn drop(&mut self) {
        let mut state = lock(&self.subscription.state);
        state.consumers.remove(&self.id);
        if let Some(longest) = self.subscription.shared.closed_stream_lease {
            state.book.shorten(self.id, Instant::now() + longest);
        }
    }
}
