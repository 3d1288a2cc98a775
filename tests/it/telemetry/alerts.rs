//! Alert rules and the dashboard: right, and about metrics that exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::metrics::described;
use super::promtool::assert_approved;

const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");
const ALERT_TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/purser.json");

#[test]
fn alert_rules_are_right() {
    assert_approved(&["check", "rules", ALERTS], "");
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    assert_approved(&["test", "rules", ALERT_TESTS], "");
}

#[test]
fn every_question_of_the_dashboard_can_be_asked() {
    let rules = questions().into_iter().enumerate().map(|(number, question)| {
        let question = question.replace("$__rate_interval", "5m").replace("$kind", ".*").replace("$instance", ".*");
        assert!(!question.contains('$'), "{question}");
        serde_json::json!({"record": format!("question_{number}"), "expr": question})
    });
    // YAML holds JSON.
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
    std::fs::write(file.path(), rules.to_string()).unwrap();
    assert_approved(&["check", "rules", file.path().to_str().unwrap()], "");
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let alerts = std::fs::read_to_string(ALERTS).unwrap();
    let named: BTreeSet<String> =
        metrics_in(&alerts).chain(questions().iter().flat_map(|question| metrics_in(question))).collect();
    assert!(named.len() > 20, "{named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown: BTreeSet<String> =
        questions().iter().flat_map(|question| metrics_in(question)).map(|name| base(&name).to_owned()).collect();
    let left_out: Vec<_> = described().into_keys().filter(|name| !shown.contains(name)).collect();
    assert_eq!(left_out, [] as [&str; 0]);
}

/// Every query of the dashboard.
fn questions() -> Vec<String> {
    let mut questions = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), &mut questions);
    assert!(questions.len() > 15);
    questions
}

fn collect(value: &Value, questions: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            questions.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect(value, questions));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, questions)),
        _ => {}
    }
}

/// Words that look like our metrics.
fn metrics_in(text: &str) -> impl Iterator<Item = String> + use<'_> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("purser_") || word.starts_with("process_")).map(str::to_owned)
}

/// The metric that a series belongs to.
fn base(name: &str) -> &str {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    histogram.filter(|base| described().get(*base).is_some_and(|kind| kind == "histogram")).unwrap_or(name)
}

fn exists(name: &str) -> bool {
    described().contains_key(base(name))
}
