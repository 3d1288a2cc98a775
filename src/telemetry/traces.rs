//! Spans that leave the process as OTLP traces, and the traces of publishers that they belong to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::intake::Delivery;

/// The W3C header, which publishers put into an attribute of the same name.
const TRACEPARENT: &str = "traceparent";
/// Google's clients put it there.
const GOOGLES: &str = "googclient_traceparent";
/// The most links of a batch; it is the default limit of OpenTelemetry too.
const LINKS: usize = 128;

/// Whether spans leave the process. While they do not, nobody need look for whose they are.
static EXPORTED: AtomicBool = AtomicBool::new(false);

/// Spans on their way out. The last of them leave when it is dropped.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends spans to `<endpoint>/v1/traces`; headers and timeout come from the variables that OTLP names.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub(super) fn to(endpoint: &str) -> anyhow::Result<Self> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).build();
        let exporter = exporter.context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
        let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
            Some(_) => Resource::builder(),
            None => Resource::builder().with_service_name("purser"),
        };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        EXPORTED.store(true, Ordering::Relaxed);
        Ok(Traces(provider.build()))
    }

    /// Our own spans, whatever the log shows.
    pub(super) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(&self) -> impl Layer<S> + use<S> {
        let layer = tracing_opentelemetry::layer().with_tracer(self.0.tracer("purser"));
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        layer.with_filter(Targets::new().with_target("purser", LevelFilter::INFO))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What cannot be sent within its few seconds is lost; that is no failure of the work.
        let _ = self.0.shutdown();
    }
}

/// Links the span of a batch to the traces of those who published its messages, each once.
pub(super) fn link(span: &Span, deliveries: &[Delivery]) {
    if !EXPORTED.load(Ordering::Relaxed) {
        return;
    }
    let mut linked = Vec::new();
    for delivery in deliveries {
        let traceparent = delivery.attribute(TRACEPARENT).or_else(|| delivery.attribute(GOOGLES));
        let Some(publisher) = traceparent.and_then(parse) else { continue };
        if !linked.contains(&publisher) {
            span.add_link(publisher.clone());
            linked.push(publisher);
        }
        if linked.len() == LINKS {
            return;
        }
    }
}

/// Makes the span of a request part of the trace that it names.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !EXPORTED.load(Ordering::Relaxed) {
        return;
    }
    if let Some(caller) = header(headers).and_then(parse) {
        // It can only fail for a span that nobody exports.
        let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    }
}

/// The attribute by which the events of a request belong to the trace that it names.
pub(crate) fn trace_context(headers: &HeaderMap) -> Option<(String, String)> {
    let traceparent = header(headers).filter(|value| parse(value).is_some())?;
    Some((TRACEPARENT.to_owned(), traceparent.to_owned()))
}

fn header(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT)?.to_str().ok()
}

/// What is no valid trace context is none.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_context_is_none() {
        let good = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(good.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in
            ["", "00-0-0-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "é", "x".repeat(9999).as_str()]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
