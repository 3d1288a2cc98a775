//! Compiles the protocol files in pure Rust: no `protoc` has to be installed.

use std::error::Error;

/// Fields whose JSON form differs from what serde would make of the Rust type, and who converts them.
const JSON_FORMS: &[(&str, &str)] = &[
    ("PubsubMessage.data", "crate::rest::json::bytes"),
    ("PubsubMessage.publish_time", "crate::rest::json::timestamp"),
    ("ReceivedMessage.message", "crate::rest::json::encoded_message"),
    ("Subscription.message_retention_duration", "crate::rest::json::duration"),
    ("ExpirationPolicy.ttl", "crate::rest::json::duration"),
    ("RetryPolicy.minimum_backoff", "crate::rest::json::duration"),
    ("RetryPolicy.maximum_backoff", "crate::rest::json::duration"),
    ("UpdateSubscriptionRequest.update_mask", "crate::rest::json::field_mask"),
];

/// Message fields that are left out of JSON when absent.
const OPTIONAL: &[&str] = &[
    "PubsubMessage.publish_time",
    "Subscription.message_retention_duration",
    "Subscription.push_config",
    "Subscription.expiration_policy",
    "Subscription.dead_letter_policy",
    "Subscription.retry_policy",
    "ExpirationPolicy.ttl",
    "RetryPolicy.minimum_backoff",
    "RetryPolicy.maximum_backoff",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/pubsub.proto", "proto/status.proto"], ["proto"])?;
    let mut builder =
        tonic_prost_build::configure().build_client(false).build_transport(false).bytes(".").message_attribute(
            ".google.pubsub.v1",
            "#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = \"camelCase\", default)]",
        );
    for (field, form) in JSON_FORMS {
        builder = builder.field_attribute(format!(".google.pubsub.v1.{field}"), format!("#[serde(with = \"{form}\")]"));
    }
    for field in OPTIONAL {
        builder = builder.field_attribute(
            format!(".google.pubsub.v1.{field}"),
            "#[serde(skip_serializing_if = \"Option::is_none\")]",
        );
    }
    builder.compile_fds(files)?;
    Ok(())
}
