//! Integration tests against a real Postgres and a real Pub/Sub protocol.

mod api;
mod faults;
mod files;
mod golden;
mod pubsub;
mod references;
mod store;
mod support;
