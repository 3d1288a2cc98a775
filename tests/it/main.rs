//! Integration tests against a real Postgres and a real Pub/Sub protocol.

mod faults;
mod pubsub;
mod store;
mod support;
