//! The history from outside: its files, what answers questions about them, and its commands.

mod cluster;
mod engine;
mod history;
mod serve;
