//! Integration tests against a real Postgres and a real Pub/Sub protocol.

mod store;
mod support;
