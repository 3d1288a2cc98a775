//! What is counted, and where logs and traces go.
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
mod stage;
mod traces;

pub use dependencies::Dependency;
pub use events::Totals;
pub use exposition::Exposition;
pub(crate) use flight::Flight;
pub use labels::{
    AnsweredLabel, DependencyLabel, EventLabels, KindLabel, KindSource, RequestLabels, RouteLabels, StageLabels,
};
pub use logs::{BatchLines, LogFormat, Telemetry, start};
pub use metrics::{Described, Metrics};
pub(crate) use stage::Stage;
pub(crate) use traces::{continue_trace, trace_context};
