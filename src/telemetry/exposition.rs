//! The metrics as text, in either of the two forms that Prometheus reads.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;

use super::Metrics;

/// How the metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text, 0.0.4.
    Text,
    /// `OpenMetrics`, for whoever asks for it.
    OpenMetrics,
}

impl Exposition {
    /// What an `Accept` header asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Exposition::OpenMetrics } else { Exposition::Text }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Exposition::Text => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// What is so now.
    ///
    /// # Errors
    /// When it cannot be written, which is a bug.
    pub fn write(&self, exposition: Exposition) -> Result<String, std::fmt::Error> {
        self.age_the_oldest();
        self.count_connections();
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        match exposition {
            Exposition::OpenMetrics => Ok(text),
            Exposition::Text => classic(&text),
        }
    }
}

/// In the older form a counter's own name has the `_total`, not only that of its samples.
fn classic(open_metrics: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().filter(|line| *line != "# EOF").peekable();
    while let Some(line) = lines.next() {
        match (line.strip_prefix("# HELP "), lines.peek().and_then(|next| counter(next))) {
            (Some(help), Some(name)) => writeln!(text, "# HELP {name}_total{}", &help[name.len()..])?,
            _ => match counter(line) {
                Some(name) => writeln!(text, "# TYPE {name}_total counter")?,
                None => writeln!(text, "{line}")?,
            },
        }
    }
    Ok(text)
}

/// The name in a line that says that a metric is a counter.
fn counter(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_differ_between_the_forms() {
        let metrics = Metrics::default();
        let (text, open) = (metrics.write(Exposition::Text).unwrap(), metrics.write(Exposition::OpenMetrics).unwrap());
        assert!(text.contains("# HELP purser_retries_total Attempts that"), "{text}");
        assert!(text.contains("# TYPE purser_retries_total counter\npurser_retries_total{dependency="), "{text}");
        assert!(open.contains("# TYPE purser_retries counter\npurser_retries_total{dependency="), "{open}");
        let samples = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&text), samples(&open));
        assert!(open.ends_with("# EOF\n") && !text.contains("EOF"));
    }
}
