//! The history from outside: its files, what answers questions about them, and its commands.

mod engine;
mod history;
mod serve;
