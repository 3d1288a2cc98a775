//! A message of Pub/Sub as a [`Delivery`].

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;

use super::room::Place;
use crate::intake::{Delivery, Origin, Receipt};
use crate::pipeline::Outcome;

/// The attribute by which a publisher says that two messages are the same one; its own retry makes a
/// second message with another id.
const IDEMPOTENCY_KEY: &str = "idempotency_key";
/// A longer one is not a key. (Postgres could not index it, and we would rather take an event twice to
/// the pipeline, which knows its natural key, than two events for the same.)
const LONGEST_KEY: usize = 255;

pub(super) fn delivery(subscription: &Arc<str>, message: Message, handler: Handler, place: Place) -> Delivery {
    let received_at = Utc::now();
    let publish_time = message
        .publish_time
        .and_then(|time| DateTime::from_timestamp(time.seconds(), u32::try_from(time.nanos()).unwrap_or_default()));
    let published_at = publish_time.unwrap_or(received_at);
    Delivery {
        id: id(subscription, &message.message_id, publish_time, &message.attributes),
        payload: message.data,
        published_at,
        received_at,
        origin: Origin::PubSub {
            subscription: Arc::clone(subscription),
            message_id: message.message_id,
            publish_time: published_at,
            ordering_key: message.ordering_key,
            delivery_attempt: handler.delivery_attempt(),
            attributes: message.attributes.into_iter().collect(),
        },
        replays: None,
        receipt: Box::new(Lease { handler, _place: place }),
    }
}

/// The same for every redelivery of a message and for no other message. A message id alone is not enough:
/// Google's emulator counts from 1 again after a restart.
fn id(
    subscription: &str,
    message_id: &str,
    publish_time: Option<DateTime<Utc>>,
    attributes: &HashMap<String, String>,
) -> String {
    match attributes.get(IDEMPOTENCY_KEY) {
        Some(key) if (1..=LONGEST_KEY).contains(&key.len()) => format!("pubsub:{subscription}:key:{key}"),
        _ => {
            let time = publish_time.map(|time| time.to_rfc3339_opts(SecondsFormat::Nanos, true)).unwrap_or_default();
            format!("pubsub:{subscription}:{message_id}:{time}")
        }
    }
}

/// A message that is ours until it is settled. The client extends the lease; dropping the handler is a nack.
struct Lease {
    handler: Handler,
    _place: Place,
}

impl Receipt for Lease {
    /// Does not wait for an answer, on subscriptions with exactly-once delivery neither: an
    /// acknowledgement that is lost costs a redelivery, which is decided already.
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {
        self.handler.ack();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id_with_key(key: &str) -> String {
        let attributes = HashMap::from([(IDEMPOTENCY_KEY.to_owned(), key.to_owned())]);
        id("projects/p/subscriptions/s", "7", DateTime::from_timestamp(1_790_000_000, 120_000_000), &attributes)
    }

    #[test]
    fn the_id_has_the_publish_time_with_all_digits() {
        let by_message = "pubsub:projects/p/subscriptions/s:7:2026-09-21T14:13:20.120000000Z";
        assert_eq!(id_with_key(""), by_message);
        assert_eq!(id_with_key(&"k".repeat(256)), by_message);
        assert_eq!(id("s", "7", None, &HashMap::new()), "pubsub:s:7:");
    }

    proptest! {
        #[test]
        fn whatever_the_attributes_one_message_has_one_id(
            attributes in proptest::collection::hash_map("\\PC{0,9}|idempotency_key", "\\PC{0,200}", 0..4),
        ) {
            let of = |message: &str| id("s", message, DateTime::from_timestamp(0, 0), &attributes);
            prop_assert_eq!(of("7"), of("7"));
            let has_key = attributes.get(IDEMPOTENCY_KEY).is_some_and(|key| (1..=255).contains(&key.len()));
            prop_assert_eq!(of("7") == of("8"), has_key);
            prop_assert!(of("7").len() <= 255 + "pubsub:s:key:".len());
        }
    }

    #[test]
    fn a_publishers_own_key_replaces_it() {
        assert_eq!(id_with_key("order-1"), "pubsub:projects/p/subscriptions/s:key:order-1");
        assert!(id_with_key(&"k".repeat(255)).ends_with("k"));
    }
}
