//! Every fixture of every kind, and the verdict on it, word for word. They are discovered: a new
//! fixture is a file, and `PURSER_BLESS=1` writes down what the pipeline says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use purser::events::{KINDS, Kind};
use purser::intake::{Delivery, Source};
use purser::pipeline::Outcome;
use purser::pipeline::check::Finding;
use purser::pipeline::verdict::{Reason, Violation};
use purser::pipeline::worker::BatchLimits;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Rig, delivery_with, shop};

/// Rules about time compare with this.
const PUBLISHED_AT: &str = "2026-06-01T00:00:00Z";

fn published_at() -> DateTime<Utc> {
    PUBLISHED_AT.parse().unwrap()
}

fn fixtures(kind: &str, folder: &str) -> BTreeMap<PathBuf, Bytes> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind).join(folder);
    let paths = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = paths.map(|entry| entry.unwrap().path());
    let is_event = |path: &PathBuf| !path.to_string_lossy().ends_with(".verdict.json");
    let fixtures: BTreeMap<_, _> =
        paths.filter(is_event).map(|path| (path.clone(), std::fs::read(path).unwrap().into())).collect();
    assert!(!fixtures.is_empty(), "{} is empty", folder.display());
    fixtures
}

/// What the pipeline makes of a payload, told apart by nothing but its outcome.
async fn decide(rig: &Rig, kind: &Kind, payload: &Bytes) -> Vec<Outcome> {
    let id = format!("pubsub:golden:{}", uuid::Uuid::now_v7());
    let (delivery, outcomes) = delivery_with(id, payload.clone(), published_at());
    let (sender, receiver) = mpsc::channel(1);
    sender.send(delivery).await.unwrap();
    drop(sender);
    kind.decide(rig.pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()).await.unwrap();
    outcomes.await.unwrap()
}

fn verdict(reason: Reason, errors: &[Violation]) -> Value {
    let error = |error: &Violation| {
        let Violation { code, path, expected, actual, message: _ } = error;
        json!({ "code": code, "path": path, "expected": expected, "actual": actual })
    };
    json!({ "reason": reason, "errors": errors.iter().map(error).collect::<Vec<_>>() })
}

#[tokio::test]
async fn good_fixtures_are_stored() {
    let rig = Rig::new().await;
    for kind in KINDS {
        for (path, payload) in fixtures(kind.name, "good") {
            let outcomes = decide(&rig, kind, &payload).await;
            assert!(!outcomes.is_empty(), "{}", path.display());
            for outcome in outcomes {
                assert!(matches!(outcome, Outcome::Stored { .. }), "{}: {outcome:?}", path.display());
            }
        }
    }
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn bad_fixtures_are_rejected_for_exactly_these_reasons() {
    let (rig, mut wrong) = (Rig::new().await, Vec::new());
    for kind in KINDS {
        for (path, payload) in fixtures(kind.name, "bad") {
            let outcomes = decide(&rig, kind, &payload).await;
            let [Outcome::Rejected(letter)] = outcomes.as_slice() else { panic!("{}: {outcomes:?}", path.display()) };
            let found = verdict(letter.reason, &letter.errors);
            let golden = path.with_extension("verdict.json");
            if std::env::var_os("PURSER_BLESS").is_some() {
                std::fs::write(&golden, format!("{found:#}\n")).unwrap();
            }
            let expected: Value =
                std::fs::read(&golden).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
            if found != expected {
                wrong.push(format!("{}: found {found:#}, expected {expected:#}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rig.assert_accounts_agree().await;
}

/// `purser check` has no verdicts of its own.
#[tokio::test]
async fn checking_says_what_the_pipeline_says() {
    let rig = Rig::new().await;
    for kind in KINDS {
        for (path, payload) in fixtures(kind.name, "bad") {
            let found = check_one(&rig, kind, &payload).await.unwrap_err();
            let Ok(golden) = std::fs::read(path.with_extension("verdict.json")) else { continue };
            let expected: Value = serde_json::from_slice(&golden).unwrap();
            assert_eq!(found, expected, "{}", path.display());
        }
        for (path, payload) in fixtures(kind.name, "good") {
            assert_eq!(check_one(&rig, kind, &payload).await, Ok(()), "{}", path.display());
        }
    }
    assert_eq!(rig.number("SELECT (SELECT count(*) FROM purchases) + (SELECT count(*) FROM dead_letters)").await, 0);
}

async fn check_one(rig: &Rig, kind: &Kind, payload: &Bytes) -> Result<(), Value> {
    let delivery: Delivery = delivery_with("golden".to_owned(), payload.clone(), published_at()).0;
    let references = Some(&rig.pipeline.references);
    let mut verdicts = kind.check(&[delivery], rig.pipeline.max_event_bytes, references).await.unwrap();
    match verdicts.remove(0).remove(0) {
        Finding::Rejected(rejection) => Err(verdict(rejection.reason, &rejection.violations)),
        Finding::Accepted | Finding::Ignored => Ok(()),
    }
}

#[tokio::test]
async fn a_cart_holds_at_most_a_thousand_lines() {
    let rig = Rig::new().await;
    let kind = Kind::named("purchase").unwrap();
    let with_lines = |count: usize| {
        let line = json!({ "article_id": shop::article(1), "quantity": 1 });
        let purchase = shop::purchase_with(uuid::Uuid::now_v7(), "cart", json!(vec![line; count]));
        Bytes::from(purchase.to_string())
    };
    assert_eq!(check_one(&rig, kind, &with_lines(1000)).await, Ok(()));
    let error = json!({ "code": "length", "path": "/cart", "expected": "an array of 1 to 1000 lines", "actual": "an array of 1001" });
    assert_eq!(check_one(&rig, kind, &with_lines(1001)).await, Err(json!({ "reason": "shape", "errors": [error] })));
}
