//! Real servers, started, killed and left behind.
#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod help;
mod life;
mod shared;
mod trouble;
