//! Where logs and traces go.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::flight::BATCH_LINES;
use super::traces::Traces;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether every batch has a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchLines {
    /// Yes, unless `RUST_LOG` says otherwise.
    Shown,
    /// Not unless `RUST_LOG` says so: the command shows its progress on the terminal.
    Hidden,
}

/// Logs and traces of a process. Dropped at its end, it sends the last traces.
#[must_use = "without it no trace leaves the process"]
#[derive(Debug)]
pub struct Telemetry {
    _traces: Option<Traces>,
}

/// Sends logs to stderr, filtered by `RUST_LOG` (default: our own at `info`, others at `warn`), and spans to an
/// OTLP endpoint where one is given.
///
/// # Errors
/// When the endpoint cannot be used.
pub fn start(format: LogFormat, batches: BatchLines, otlp_endpoint: Option<&str>) -> anyhow::Result<Telemetry> {
    let traces = otlp_endpoint.filter(|endpoint| !endpoint.is_empty()).map(Traces::to).transpose()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter(batches)));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    // A second call, as in tests, keeps the first subscriber.
    let _ = subscriber.with(traces.as_ref().map(Traces::layer)).try_init();
    Ok(Telemetry { _traces: traces })
}

fn default_filter(batches: BatchLines) -> String {
    let batches = if batches == BatchLines::Shown { "info" } else { "warn" };
    format!("warn,purser=info,{BATCH_LINES}={batches},purser_producer=info,pubsub_server=info,private_postgres=info")
}
