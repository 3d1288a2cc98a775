//! `/metrics`: documented, and as Prometheus wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use purser::telemetry::Metrics;

use super::promtool::assert_approved;
use crate::support::stack::{Stack, eventually};

/// Name and type of every metric.
pub(super) fn described() -> BTreeMap<String, String> {
    let described = Metrics::default().described().into_iter();
    described.map(|metric| (metric.name, metric.metric_type)).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let (metrics, _alerts) = include_str!("../../../docs/metrics.md").split_once("## Alert rules").unwrap();
    let documented = metrics.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.to_owned()))
    });
    assert_eq!(documented.collect::<BTreeMap<_, _>>(), described());
}

#[test]
fn names_say_their_unit() {
    for (name, metric_type) in described() {
        assert_eq!(name.ends_with("_total"), metric_type == "counter", "{name}");
        let base = ["_seconds", "_bytes", "_events", "_info"];
        assert!(metric_type != "histogram" || base.iter().any(|unit| name.ends_with(unit)), "{name}");
        assert!(!["milli", "minutes", "kib"].iter().any(|unit| name.contains(unit)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_worker_is_scraped() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish(200).await;
    stack.acknowledged().await;
    stack.shipped().await;
    // What is counted after the answer to the test's own request, too, is to be in the text.
    worker.metrics().await;
    eventually("shipping is counted", async || worker.metric("purser_dead_letters_shipped_total").await > 0.0).await;
    let text = worker.metrics().await;
    assert_approved(&["check", "metrics"], &text);
    assert_eq!(absent(&text), [] as [&str; 0]);

    let rejected: f64 = series(&text, "purser_events_total", &["kind=\"purchase\"", "outcome=\"rejected\""]);
    assert_eq!(rejected as i64, stack.rig.number("SELECT count(*) FROM dead_letters").await);
    assert_eq!(series(&text, "purser_batch_events_sum", &["kind=\"purchase\""]), 200.0);
    assert_eq!(series(&text, "purser_publish_to_commit_seconds_count", &["source=\"pubsub\""]), 200.0);
    for stage in ["decode_and_validate", "check_references", "commit", "acknowledge"] {
        assert!(series(&text, "purser_stage_seconds_count", &[&format!("stage=\"{stage}\"")]) >= 4.0, "{stage}");
    }
    assert_eq!(series(&text, "purser_in_flight_messages", &[]), 0.0);
    assert_eq!(series(&text, "purser_http_requests_total", &["route=\"/metrics\"", "status=\"200\""]), 2.0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_is_seen_to_grow_old() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    let mut blocking = stack.rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    stack.publish(10).await;
    let oldest = "purser_oldest_unacknowledged_seconds{kind=\"purchase\"}";
    eventually("it grows old", async || worker.metric(oldest).await > Duration::from_secs(1).as_secs_f64()).await;
    let held = "purser_in_flight_messages{kind=\"purchase\",source=\"pubsub\"}";
    assert_eq!(worker.metric(held).await, 10.0);
    assert!(worker.metric(&held.replace("messages", "bytes")).await > 1000.0);
    blocking.rollback().await.unwrap();
    stack.acknowledged().await;
    eventually("nothing is held", async || worker.metric(held).await == 0.0).await;
    assert_eq!(worker.metric(oldest).await, 0.0);
    worker.stop().await;
}

/// The metrics that a text has no series of.
fn absent(text: &str) -> Vec<String> {
    let present: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    described().into_keys().filter(|name| !present.contains(name.as_str())).collect()
}

/// The sum over the series of this name and with these labels.
fn series(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}
