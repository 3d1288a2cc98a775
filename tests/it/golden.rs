//! Every fixture of every kind, and the verdict on it, word for word. They are discovered: a new
//! fixture is a file, and `PURSER_BLESS=1` writes down what the pipeline says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use purser::events::{KINDS, Kind};
use purser::intake::{Delivery, Origin, Source};
use purser::pipeline::Outcome;
use purser::pipeline::check::Finding;
use purser::pipeline::verdict::{Reason, Violation};
use purser::pipeline::worker::BatchLimits;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::support::{Rig, delivery_with, shop};

/// Rules about time compare with this.
const PUBLISHED_AT: &str = "2026-06-01T00:00:00Z";

fn published_at() -> DateTime<Utc> {
    PUBLISHED_AT.parse().unwrap()
}

/// A message, with what is said of it beside the payload: `<fixture>.attributes.json`, or else the
/// `attributes.json` of its kind.
struct Fixture {
    path: PathBuf,
    payload: Bytes,
    attributes: BTreeMap<String, String>,
}

impl Fixture {
    fn read(path: PathBuf) -> Fixture {
        let of_kind = path.parent().unwrap().parent().unwrap().join("attributes.json");
        let attributes = [path.with_extension("attributes.json"), of_kind];
        let attributes = attributes.iter().find_map(|path| std::fs::read(path).ok());
        let attributes = attributes.map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
        Fixture { payload: std::fs::read(&path).unwrap().into(), path, attributes }
    }

    fn delivery(&self) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
        let id = format!("pubsub:golden:{}", uuid::Uuid::now_v7());
        let (mut delivery, outcomes) = delivery_with(id, self.payload.clone(), published_at());
        if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
            attributes.clone_from(&self.attributes);
        }
        (delivery, outcomes)
    }

    /// What is written down of it; null when nothing is.
    fn golden(&self) -> Value {
        std::fs::read(self.golden_path()).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap())
    }

    fn golden_path(&self) -> PathBuf {
        self.path.with_extension("verdict.json")
    }
}

fn fixtures(kind: &str, folder: &str) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind).join(folder);
    let paths = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| ![".verdict.json", ".attributes.json"].iter().any(|end| path.to_string_lossy().ends_with(end)));
    paths.sort_unstable();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.into_iter().map(Fixture::read).collect()
}

/// What the pipeline makes of a message, told apart by nothing but its outcome.
async fn decide(rig: &Rig, kind: &Kind, fixture: &Fixture) -> Vec<Value> {
    let (delivery, outcomes) = fixture.delivery();
    let (sender, receiver) = mpsc::channel(1);
    sender.send(delivery).await.unwrap();
    drop(sender);
    kind.decide(rig.pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()).await.unwrap();
    let verdict = |outcome: &Outcome| match outcome {
        Outcome::Stored { .. } => json!("stored"),
        Outcome::Ignored => json!("ignored"),
        Outcome::Rejected(letter) => verdict(letter.reason, &letter.errors),
        other => panic!("{}: {other:?}", fixture.path.display()),
    };
    outcomes.await.unwrap().iter().map(verdict).collect()
}

/// What `purser check` says of a message.
async fn check(rig: &Rig, kind: &Kind, fixture: &Fixture) -> Vec<Value> {
    let references = Some(&rig.pipeline.references);
    let findings = kind.check(&[fixture.delivery().0], rig.pipeline.max_event_bytes, references).await.unwrap();
    let verdict = |finding: &Finding| match finding {
        Finding::Accepted => json!("stored"),
        Finding::Ignored => json!("ignored"),
        Finding::Rejected(rejection) => verdict(rejection.reason, &rejection.violations),
    };
    findings[0].iter().map(verdict).collect()
}

fn verdict(reason: Reason, errors: &[Violation]) -> Value {
    let error = |error: &Violation| {
        let Violation { code, path, expected, actual, message: _ } = error;
        json!({ "code": code, "path": path, "expected": expected, "actual": actual })
    };
    json!({ "reason": reason, "errors": errors.iter().map(error).collect::<Vec<_>>() })
}

/// The verdicts on the events of a message, as they are written down.
fn together(mut verdicts: Vec<Value>) -> Value {
    if verdicts.len() == 1 { verdicts.remove(0) } else { verdicts.into() }
}

/// All of its events are stored, except for those that a verdict beside it says are ignored.
#[tokio::test]
async fn good_fixtures_are_stored() {
    let rig = Rig::new().await;
    for kind in KINDS {
        for fixture in fixtures(kind.name, "good") {
            let verdicts = decide(&rig, kind, &fixture).await;
            assert!(verdicts.iter().all(Value::is_string), "{}: {verdicts:?}", fixture.path.display());
            if verdicts.is_empty() || verdicts.iter().any(|verdict| verdict != "stored") {
                assert_eq!(together(verdicts), fixture.golden(), "{}", fixture.path.display());
            }
        }
    }
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn bad_fixtures_are_rejected_for_exactly_these_reasons() {
    let (rig, mut wrong) = (Rig::new().await, Vec::new());
    for kind in KINDS {
        for fixture in fixtures(kind.name, "bad") {
            let verdicts = decide(&rig, kind, &fixture).await;
            assert!(verdicts.iter().any(Value::is_object), "{}: {verdicts:?}", fixture.path.display());
            let found = together(verdicts);
            if std::env::var_os("PURSER_BLESS").is_some() {
                std::fs::write(fixture.golden_path(), format!("{found:#}\n")).unwrap();
            }
            let expected = fixture.golden();
            if found != expected {
                wrong.push(format!("{}: found {found:#}, expected {expected:#}", fixture.path.display()));
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
        for fixture in ["good", "bad"].iter().flat_map(|folder| fixtures(kind.name, folder)) {
            let found = check(&rig, kind, &fixture).await;
            match fixture.golden() {
                Value::Null => assert!(found.iter().all(|verdict| verdict == "stored"), "{}", fixture.path.display()),
                golden => assert_eq!(together(found), golden, "{}", fixture.path.display()),
            }
        }
    }
    assert_eq!(rig.number("SELECT count(*) FROM batches").await, 0);
}

#[tokio::test]
async fn a_cart_holds_at_most_a_thousand_lines() {
    let rig = Rig::new().await;
    let kind = Kind::named("purchase").unwrap();
    let with_lines = |count: usize| {
        let line = json!({ "article_id": shop::article(1), "quantity": 1 });
        let purchase = shop::purchase_with(uuid::Uuid::now_v7(), "cart", json!(vec![line; count]));
        Fixture { path: PathBuf::new(), payload: purchase.to_string().into(), attributes: BTreeMap::new() }
    };
    assert_eq!(check(&rig, kind, &with_lines(1000)).await, ["stored"]);
    let error = json!({ "code": "length", "path": "/cart", "expected": "an array of 1 to 1000 lines", "actual": "an array of 1001" });
    assert_eq!(check(&rig, kind, &with_lines(1001)).await, [json!({ "reason": "shape", "errors": [error] })]);
}
