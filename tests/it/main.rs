//! Integration tests against a real Postgres and a real Pub/Sub protocol.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![expect(unreachable_pub, reason = "what tests share is public among them, not beyond")]

mod ab_events;
mod any_input;
mod api;
mod breaker;
mod chaos;
mod clicks;
mod dead_letters;
mod drift;
mod expire;
mod faults;
mod files;
mod forget;
mod golden;
mod google_cloud;
mod history;
mod object_names;
mod orders;
mod properties;
mod pubsub;
mod reader;
mod references;
mod replay;
mod schema;
mod sessions;
mod store;
mod support;
mod telemetry;
mod transaction;
mod verify;
