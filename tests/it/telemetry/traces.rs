//! Traces, as a collector receives them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use google_cloud_pubsub::model::Message;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::stop;
use crate::support::shop::purchase;
use crate::support::stack::{Stack, eventually};

type Exports = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// An OpenTelemetry collector of a few lines.
struct Collector {
    url: String,
    exports: Exports,
}

impl Collector {
    async fn start() -> Collector {
        let (exports, listener) = (Exports::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(collect)).with_state(Arc::clone(&exports));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Collector { url, exports }
    }

    fn spans(&self) -> Vec<Span> {
        let exports = self.exports.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// The traces that batches are linked to.
    fn linked(&self) -> BTreeSet<String> {
        let links = self.named("batch").into_iter().flat_map(|batch| batch.links);
        links.map(|link| hex(&link.trace_id)).collect()
    }
}

async fn collect(State(exports): State<Exports>, body: Bytes) {
    exports.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A trace of somebody's, and the context that says so.
fn trace() -> (String, String) {
    let trace = Uuid::new_v4().simple().to_string();
    (trace.clone(), format!("00-{trace}-00f067aa0ba902b7-01"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_and_its_stages_belong_to_the_traces_of_the_publishers() {
    let (collector, mut stack) = (Collector::start().await, Stack::new().await);
    let log = tempfile::NamedTempFile::new().unwrap();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let (process, url) = stack.serve(&variables, log.path()).await;
    let message = |attribute: &str, value: &str| {
        let message = Message::new().set_data(purchase(Uuid::now_v7()).to_string());
        message.set_attributes([(attribute, value)])
    };
    let ((first, w3c), (second, googles), (third, header)) = (trace(), trace(), trace());
    stack.publish_message(message("traceparent", &w3c)).await;
    stack.publish_message(message("googclient_traceparent", &googles)).await;
    stack.publish_message(message("traceparent", "nonsense")).await;
    let request = reqwest::Client::new().post(format!("{url}/events/purchase")).header("traceparent", header);
    request.body(purchase(Uuid::now_v7()).to_string()).send().await.unwrap();

    let publishers = BTreeSet::from([first, second, third.clone()]);
    eventually("batches are linked", async || collector.linked() == publishers).await;
    let request = || collector.named("request").into_iter().find(|span| hex(&span.trace_id) == third);
    eventually("the request is part of the caller's trace", async || request().is_some()).await;
    assert_eq!(hex(&request().unwrap().parent_span_id), "00f067aa0ba902b7");
    stop(process);

    let batch = collector.named("batch").into_iter().find(|batch| !batch.links.is_empty()).unwrap();
    let stages: BTreeSet<String> = collector
        .spans()
        .into_iter()
        .filter(|span| span.parent_span_id == batch.span_id)
        .map(|span| span.name)
        .collect();
    assert_eq!(
        stages,
        ["acknowledge", "admit", "check_references", "commit", "decode_and_validate"].map(str::to_owned).into()
    );
    let exports = collector.exports.lock().unwrap();
    let resource = format!("{:?}", exports[0].resource_spans[0].resource);
    assert!(resource.contains("\"purser\""), "{resource}");
}
