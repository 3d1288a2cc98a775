//! What a publish request and a subscription may look like.

use prost::Message as _;
use tonic::Status;

use super::names;
use crate::proto::{PublishRequest, PubsubMessage, Subscription};

/// The limits of the real service.
const MAX_MESSAGES: usize = 1000;
const MAX_BYTES: usize = 10_000_000;
const MAX_ATTRIBUTES: usize = 100;
const MAX_ATTRIBUTE_KEY: usize = 256;
const MAX_ATTRIBUTE_VALUE: usize = 1024;
const MAX_ORDERING_KEY: usize = 1024;

pub(super) fn publish(request: &PublishRequest) -> Result<(), Status> {
    names::check(&request.topic, "topics")?;
    let count = request.messages.len();
    if !(1..=MAX_MESSAGES).contains(&count) {
        return Err(Status::invalid_argument(format!(
            "{count} messages in one request: 1 to {MAX_MESSAGES} are allowed"
        )));
    }
    let bytes = request.encoded_len();
    if bytes > MAX_BYTES {
        return Err(Status::invalid_argument(format!(
            "the request has {bytes} bytes: at most {MAX_BYTES} are allowed"
        )));
    }
    request.messages.iter().try_for_each(message)
}

fn message(message: &PubsubMessage) -> Result<(), Status> {
    if message.data.is_empty() && message.attributes.is_empty() {
        return Err(Status::invalid_argument("a message must have data or at least one attribute"));
    }
    let attributes_fit = message.attributes.len() <= MAX_ATTRIBUTES
        && message
            .attributes
            .iter()
            .all(|(key, value)| (1..=MAX_ATTRIBUTE_KEY).contains(&key.len()) && value.len() <= MAX_ATTRIBUTE_VALUE);
    if !attributes_fit {
        return Err(Status::invalid_argument(format!(
            "at most {MAX_ATTRIBUTES} attributes, keys of 1 to {MAX_ATTRIBUTE_KEY} bytes and values of up to {MAX_ATTRIBUTE_VALUE} bytes are allowed"
        )));
    }
    if message.ordering_key.len() > MAX_ORDERING_KEY {
        return Err(Status::invalid_argument(format!("an ordering key has at most {MAX_ORDERING_KEY} bytes")));
    }
    Ok(())
}

/// Checks the subscription and fills in what the service defaults; warns of what is stored but ignored.
pub(super) fn subscription(subscription: &mut Subscription) -> Result<(), Status> {
    names::check(&subscription.name, "subscriptions")?;
    names::check(&subscription.topic, "topics")?;
    if subscription.ack_deadline_seconds == 0 {
        subscription.ack_deadline_seconds = 10;
    }
    ack_deadline(subscription.ack_deadline_seconds)?;
    let name = &subscription.name;
    if !subscription.filter.is_empty() {
        tracing::warn!(subscription = %name, filter = %subscription.filter, "filters are ignored: every message is delivered");
    }
    if subscription.dead_letter_policy.is_some() {
        tracing::warn!(subscription = %name, "dead-letter policies are ignored, except that delivery attempts are counted");
    }
    if subscription.push_config.as_ref().is_some_and(|push| !push.push_endpoint.is_empty()) {
        tracing::warn!(subscription = %name, "nothing is pushed: the subscription can be pulled");
    }
    if subscription.retry_policy.is_some() {
        tracing::warn!(subscription = %name, "retry policies are ignored: redelivery is immediate");
    }
    Ok(())
}

/// 10 to 600 seconds.
pub(crate) fn ack_deadline(seconds: i32) -> Result<(), Status> {
    if (10..=600).contains(&seconds) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("invalid ack deadline of {seconds} s: 10 to 600 are allowed")))
}
