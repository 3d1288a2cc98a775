//! What is counted, and where logs go.
//!
//! Every metric stands in one list, [`Metrics`]. To add one: its field there, with the help text as its doc
//! comment, and a row of the table in `docs/metrics.md`. What does more than count once has a method in the
//! file of its subject.

mod dependencies;
mod events;
mod exposition;
mod flight;
mod http;
mod labels;
mod logs;
mod metrics;
mod process;

pub use dependencies::Dependency;
pub use events::Totals;
pub use exposition::Exposition;
pub(crate) use flight::{Flight, Stage};
pub use labels::{DependencyLabel, EventLabels, KindLabel, KindSource, RequestLabels, RouteLabels, StageLabels};
pub use logs::{LogFormat, log_to_stderr};
pub use metrics::{Described, Metrics};
