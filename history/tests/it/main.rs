//! Integration tests against a real Postgres and a store in a folder.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![expect(unreachable_pub, reason = "what tests share is public among them, not beyond")]

mod commands;
mod forgetting;
mod merging;
mod moving;
mod support;
mod tidy;
mod verifying;
mod writers;
