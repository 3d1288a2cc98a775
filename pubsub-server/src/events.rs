//! The event log: what happened to which message, for tests that must account for every one.

use std::collections::VecDeque;
use std::sync::Mutex;

use tonic::Code;

use crate::sync::lock;

/// Something that happened. Names are full resource names, message ids are the decimal strings that the
/// clients see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message was accepted, whether or not a subscription wanted it.
    Published {
        /// `projects/…/topics/…`
        topic: String,
        /// The id it was given.
        message_id: String,
    },
    /// A message was handed to a stream or a unary pull.
    Delivered {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Which message.
        message_id: String,
        /// 1 for the first delivery on this subscription.
        attempt: u32,
    },
    /// An acknowledgement was applied: the message is done with on this subscription.
    Acked {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Which message.
        message_id: String,
    },
    /// An acknowledgement named no lease that still stands (expired, already acknowledged, never given).
    AckOfUnknown {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// The id as the client sent it.
        ack_id: String,
    },
    /// A delivery was refused (deadline of zero); the message is ready again.
    Nacked {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Which message.
        message_id: String,
    },
    /// A lease ran out; the message is ready again.
    Expired {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Which message.
        message_id: String,
    },
    /// A lease was ended early by [`crate::Faults::redeliver_outstanding`].
    TakenBack {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Which message.
        message_id: String,
    },
    /// A streaming pull began.
    StreamOpened {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// Number of the stream, counted from 1 per subscription together with its unary pulls.
        stream: u64,
    },
    /// A streaming pull ended.
    StreamClosed {
        /// `projects/…/subscriptions/…`
        subscription: String,
        /// The number it was opened under.
        stream: u64,
        /// The status the server ended it with; `None` when the client went away.
        code: Option<Code>,
    },
}

/// Bounded: the oldest events make room for new ones. Does nothing unless switched on.
pub(crate) struct EventLog {
    capacity: usize,
    events: Mutex<VecDeque<Event>>,
}

impl EventLog {
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        Self { capacity: capacity.unwrap_or(0), events: Mutex::default() }
    }

    /// The event is only built when somebody wants it.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event) {
        if self.capacity > 0 {
            let mut events = lock(&self.events);
            if events.len() == self.capacity {
                events.pop_front();
            }
            events.push_back(event());
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<Event> {
        lock(&self.events).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(id: &str) -> Event {
        Event::Published { topic: "t".to_owned(), message_id: id.to_owned() }
    }

    #[test]
    fn keeps_the_newest_events() {
        let log = EventLog::new(Some(2));
        for id in ["1", "2", "3"] {
            log.record(|| published(id));
        }
        assert_eq!(log.snapshot(), [published("2"), published("3")]);
    }

    #[test]
    fn off_unless_asked_for() {
        let log = EventLog::new(None);
        log.record(|| unreachable!("nobody wants it"));
        assert!(log.snapshot().is_empty());
    }
}
