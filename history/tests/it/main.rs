//! The history from outside, with a real Postgres and a store in a folder: its files, what answers questions about
//! them, and its commands.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]
#![expect(unreachable_pub, reason = "what tests share is public among them, not beyond")]

mod cluster;
mod commands;
mod compacting;
mod ctr;
mod engine;
mod forgetting;
mod history;
mod merging;
mod moving;
mod serve;
mod support;
mod tidy;
mod verifying;
mod writers;
