//! `/metrics`: documented, and as Prometheus wants it.

use std::collections::BTreeMap;

use purser::telemetry::Metrics;

/// Name and type of every metric.
fn described() -> BTreeMap<String, String> {
    let described = Metrics::default().described().into_iter();
    described.map(|metric| (metric.name, metric.metric_type)).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let documented = include_str!("../../../docs/metrics.md").lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.to_owned()))
    });
    assert_eq!(documented.collect::<BTreeMap<_, _>>(), described());
}
