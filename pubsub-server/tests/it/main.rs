//! One conformance suite for our server and Google's emulator, and tests of what only ours can do.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod clients;
mod conformance;
mod emulator;
mod faults;
mod faults_network;
mod ledger;
mod ours;
mod reader;
mod target;
