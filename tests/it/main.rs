//! Integration tests against a real Postgres and a real Pub/Sub protocol.

mod faults;
mod files;
mod golden;
mod api;
mod pubsub;
mod references;
mod store;
mod support;
