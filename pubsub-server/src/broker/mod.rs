//! Topics, subscriptions and what flows between them; knows nothing of gRPC streams or HTTP.

pub(crate) mod book;
mod consumer;
pub(crate) mod message;
pub(crate) mod names;
mod ordering;
pub(crate) mod registry;
pub(crate) mod retention;
pub(crate) mod subscription;
mod validate;
pub(crate) mod window;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use consumer::Consumer;
use message::{MessageIds, Stored};
use registry::Registry;
use retention::Retention;
use subscription::Subscription;
pub(crate) use validate::ack_deadline as check_ack_deadline;

use crate::config::Config;
use crate::events::{Event, EventLog};
use crate::proto::{PublishRequest, PubsubMessage};
use crate::stats::{Counters, Stats};
use crate::switches::Switches;

/// What the id and the publish time add to an encoded message.
const STAMP_BYTES: usize = 36;

/// What everything in the server shares.
pub(crate) struct Shared {
    pub(crate) switches: Switches,
    pub(crate) events: EventLog,
    pub(crate) counters: Counters,
    /// Cancelled when the server stops: streams end, so that clients look for another server.
    pub(crate) stopping: CancellationToken,
    pub(crate) closed_stream_lease: Option<Duration>,
    /// How long a unary pull waits for a first message.
    pub(crate) pull_wait: Duration,
}

pub(crate) struct Broker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Registry,
    retention: Arc<Retention>,
    ids: MessageIds,
}

impl Broker {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let shared = Arc::new(Shared {
            switches: Switches::new(),
            events: EventLog::new(config.event_log),
            counters: Counters::default(),
            stopping: CancellationToken::new(),
            closed_stream_lease: config.closed_stream_lease,
            pull_wait: config.pull_wait,
        });
        Arc::new(Self {
            registry: Registry::new(Arc::clone(&shared)),
            shared,
            retention: Retention::new(config.max_messages, config.max_bytes),
            ids: MessageIds::starting_now(),
        })
    }

    /// Stores the messages for every subscription that the topic has now; the ids they were given.
    pub(crate) fn publish(&self, request: PublishRequest) -> Result<Vec<String>, Status> {
        validate::publish(&request)?;
        let PublishRequest { topic, messages } = request;
        let subscriptions = self.registry.subscriptions_of(&topic)?;
        let first = self.ids.take(messages.len());
        let ids: Vec<String> = (first..).take(messages.len()).map(|id| id.to_string()).collect();
        // Without a subscription nobody wants them: dropped, as the real service does.
        let messages = if subscriptions.is_empty() { Vec::new() } else { self.store(messages, first)? };
        // Noted before anybody can receive them, so that the log never tells of a delivery first.
        self.note_published(&topic, &ids);
        for subscription in &subscriptions {
            subscription.push(&messages);
        }
        Ok(ids)
    }

    fn note_published(&self, topic: &str, ids: &[String]) {
        Counters::add(&self.shared.counters.published, ids.len());
        for id in ids {
            self.shared.events.record(|| Event::Published { topic: topic.to_owned(), message_id: id.clone() });
        }
    }

    /// Ids that name nothing, for an answer that pretends.
    pub(crate) fn unused_ids(&self, count: usize) -> Vec<String> {
        (self.ids.take(count)..).take(count).map(|id| id.to_string()).collect()
    }

    fn store(&self, messages: Vec<PubsubMessage>, first: u64) -> Result<Vec<Arc<Stored>>, Status> {
        let sizes: Vec<usize> = messages.iter().map(|message| message.encoded_len() + STAMP_BYTES).collect();
        let spaces = self.retention.reserve(&sizes).map_err(|full| Status::resource_exhausted(full.to_string()))?;
        let now = prost_types::Timestamp::from(SystemTime::now());
        let stamped = messages.into_iter().zip(spaces).zip(first..);
        Ok(stamped.map(|((message, space), id)| Stored::new(message, id, now, space)).collect())
    }

    pub(crate) fn subscription(&self, name: &str) -> Result<Arc<Subscription>, Status> {
        self.registry.subscription(name)
    }

    /// Puts back what was leased for too long.
    pub(crate) fn expire_leases(&self, now: Instant) {
        for subscription in self.registry.all_subscriptions() {
            subscription.expire(now);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.shared.counters.snapshot();
        for subscription in self.registry.all_subscriptions() {
            let of_one = subscription.stats();
            stats.backlog += of_one.backlog;
            stats.outstanding += of_one.outstanding;
        }
        stats.retained_messages = self.retention.messages();
        stats.retained_bytes = self.retention.bytes();
        stats
    }
}
