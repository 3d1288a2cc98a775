//! The same input with a real database behind it: every message ends as rows or dead letters, and none of what
//! was found right is refused by Postgres.

use std::sync::Arc;

use bytes::Bytes;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use purser::dead_letters::Record;
use purser::events::{KINDS, Kind};
use purser::intake::{Delivery, Origin};
use purser::pipeline::Outcome;
use purser::pipeline::check::Finding;
use purser::pipeline::verdict::Reason;
use tokio::sync::oneshot;

use super::hostile::{any_json, bent, torn};
use super::rules::dead_letter::dead_letter;
use crate::support::{Rig, delivery};

/// Messages of each sort, for each kind.
const MESSAGES: usize = 60;

/// The same ones in every run.
fn messages(of: impl Strategy<Value = Bytes>, runner: &mut TestRunner) -> Vec<Bytes> {
    (0..MESSAGES).map(|_| of.new_tree(runner).unwrap().current()).collect()
}

/// With attributes that are as hostile.
fn with_platform(payload: Bytes) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
    let text: String = String::from_utf8_lossy(&payload).chars().take(200).collect();
    let (mut delivery, outcomes) = delivery(payload);
    if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
        attributes.insert(format!("{text}\0"), text);
        attributes.insert("platform".to_owned(), "iOS".to_owned());
    }
    (delivery, outcomes)
}

#[tokio::test]
async fn hostile_messages_end_as_rows_or_dead_letters() {
    let rig = Rig::new().await;
    let mut runner = TestRunner::deterministic();
    for kind in KINDS {
        let mut payloads = messages(bent().prop_map(Bytes::from), &mut runner);
        payloads.extend(messages(any_json().prop_map(|json| json.to_string().into()), &mut runner));
        payloads.extend(messages(torn().prop_map(Bytes::from), &mut runner));
        let expected = expected(&rig, kind, &payloads).await;
        let decided = rig.decide_as(kind.name, payloads.iter().cloned().map(with_platform).collect()).await;
        for ((payload, expected), outcomes) in payloads.iter().zip(expected).zip(decided) {
            let found: Vec<_> = outcomes.iter().map(reason).collect();
            let payload = String::from_utf8_lossy(payload);
            // Of several events with one id, only the first is stored.
            let fits = |(expected, found): (&Option<Reason>, &Option<Reason>)| {
                expected == found || (expected.is_none() && *found == Some(Reason::Conflict))
            };
            assert!(
                found.len() == expected.len() && expected.iter().zip(&found).all(fits),
                "{}: {found:?} {payload}",
                kind.name
            );
        }
    }
    records_can_be_read(&rig).await;
    let accounts = rig.assert_accounts_agree().await;
    assert!(accounts.stored > 0 && accounts.rejected > 0, "{accounts:?}");
}

/// The records of what was rejected, as their readers find them.
async fn records_can_be_read(rig: &Rig) {
    let records = sqlx::query_scalar("SELECT record FROM dead_letter_outbox");
    let records: Vec<Vec<u8>> = records.fetch_all(rig.pool()).await.unwrap();
    for record in records {
        assert!(serde_json::from_slice::<Record>(&record).unwrap().delivery().is_some());
        dead_letter(&record);
    }
}

/// What `check` says: the reason of each event's rejection.
async fn expected(rig: &Rig, kind: &Kind, payloads: &[Bytes]) -> Vec<Vec<Option<Reason>>> {
    let deliveries: Vec<_> = payloads.iter().cloned().map(|payload| with_platform(payload).0).collect();
    let references = Some(&rig.pipeline.references);
    let findings = kind.check(&deliveries, rig.pipeline.max_event_bytes, references).await.unwrap();
    let reason = |finding: &Finding| match finding {
        Finding::Rejected(rejection) => Some(rejection.reason),
        Finding::Accepted | Finding::Ignored => None,
    };
    findings.iter().map(|findings| findings.iter().map(reason).collect()).collect()
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    let of = |letter: &Arc<purser::pipeline::dead_letter::DeadLetter>| Some(letter.reason);
    match outcome {
        Outcome::Stored { .. } | Outcome::Duplicate { .. } | Outcome::Ignored => None,
        Outcome::Rejected(letter) | Outcome::RejectedBefore(letter) => of(letter),
    }
}
