//! What a process tells of itself.

mod metrics;
mod promtool;
