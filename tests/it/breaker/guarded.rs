//! What counts, and what is held: a breaker before a pipeline that is driven by hand.

use std::sync::Arc;
use std::time::Duration;

use purser::breaker::{Breaker, Limits, Settings, watch_until_stopped};
use purser::events::Kind;
use purser::health::Health;
use purser::intake::Source;
use purser::pipeline::Pipeline;
use purser::pipeline::worker::BatchLimits;
use purser::telemetry::Metrics;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::LETTERS;
use crate::history::{deliver_events, move_out};
use crate::support::stack::eventually;
use crate::support::views::view;
use crate::support::{Rig, delivery, shop};

/// A pipeline behind a breaker that takes ten events seriously.
struct Guarded {
    rig: Rig,
    pipeline: Pipeline,
    health: Health,
}

impl Guarded {
    async fn new() -> Guarded {
        let rig = Rig::new().await;
        let limits = Limits { ratio: 0.5, window: Duration::from_secs(60), minimum: 10 };
        let (settings, health) = (Settings { limits, shrunk: 0.5 }, Health::default());
        let breaker = Breaker::new(rig.pool().clone(), settings, "test", Arc::new(Metrics::default()), health.clone());
        let pipeline = rig.pipeline.clone().behind(breaker.clone());
        tokio::spawn(watch_until_stopped(breaker, pipeline.shutdown.clone()));
        Guarded { rig, pipeline, health }
    }

    /// Decides purchases that arrive as one batch; returns when they are, or are given back.
    fn decide(&self, source: Source, payloads: Vec<String>) -> JoinHandle<()> {
        let pipeline = self.pipeline.clone();
        tokio::spawn(async move {
            let (sender, receiver) = mpsc::channel(payloads.len());
            for payload in payloads {
                sender.send(delivery(payload.into()).0).await.unwrap();
            }
            drop(sender);
            let purchase = Kind::named("purchase").unwrap();
            purchase.decide(pipeline, source, receiver, BatchLimits::default()).await.unwrap();
        })
    }

    async fn opens(&self, because: &str) {
        let open = format!("purchase: open: {because}");
        let checks = || self.health.checks().get("breaker").cloned().unwrap_or_default();
        eventually(&open, async || checks().starts_with(&open)).await;
    }
}

fn broken(count: usize) -> Vec<String> {
    vec!["broken".to_owned(); count]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_events_from_pubsub_count_and_are_held() {
    let guarded = Guarded::new().await;
    for source in [Source::Http, Source::File] {
        guarded.decide(source, broken(50)).await.unwrap();
    }
    guarded.decide(Source::PubSub, broken(9)).await.unwrap();
    assert_eq!(guarded.rig.number(LETTERS).await, 109);
    let held = guarded.decide(Source::PubSub, broken(1));
    guarded.opens("10 of 10 events were rejected").await;
    for source in [Source::Http, Source::File] {
        guarded.decide(source, broken(50)).await.unwrap();
    }
    assert_eq!(guarded.rig.number(LETTERS).await, 209);
    guarded.pipeline.shutdown.stop();
    held.await.unwrap();
    assert_eq!(guarded.rig.number(LETTERS).await, 209, "held, and given back at the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_with_ids_that_are_taken_are_recognised_while_they_are_held() {
    let guarded = Guarded::new().await;
    let ids: Vec<Uuid> = (0..40).map(|_| Uuid::new_v4()).collect();
    let first = ids.iter().map(|id| shop::purchase(*id).to_string()).collect();
    guarded.decide(Source::File, first).await.unwrap();
    let again = |ids: &[Uuid]| -> Vec<String> {
        ids.iter().map(|id| shop::purchase_with(*id, "user_id", json!(shop::user(2))).to_string()).collect()
    };
    // Only the commit can tell, the first time.
    guarded.decide(Source::PubSub, again(&ids[..30])).await.unwrap();
    assert_eq!(guarded.rig.number(LETTERS).await, 30);
    let held = guarded.decide(Source::PubSub, again(&ids[30..]));
    guarded.opens("40 of 40 events were rejected").await;
    let judged = "SELECT coalesce(sum(rejected), 0)::bigint FROM breaker_reports";
    eventually("they are judged again", async || guarded.rig.number(judged).await == 10).await;
    guarded.opens("40 of 40").await;
    assert_eq!(guarded.rig.number(LETTERS).await, 30);
    guarded.pipeline.shutdown.stop();
    held.await.unwrap();
}

/// Of a view that was moved nothing but the id is known: that it comes again is no conflict.
#[tokio::test]
async fn what_was_moved_is_not_new_when_it_comes_again() {
    let guarded = Guarded::new().await;
    let impossible = (0..20).map(|_| view("1", 0.0));
    let events: Vec<_> = impossible.chain((0..19).map(|_| view("moved", 1.5e12))).collect();
    let words = |first: &str, then: &str| [vec![first; 20], vec![then; 19]].concat().join(", ");
    assert_eq!(deliver_events(&guarded.rig, "one", &events).await, words("shape", "stored"));
    move_out(&mut guarded.rig.pool().acquire().await.unwrap(), "moved", "one").await;

    let mut behind = Rig::on(&guarded.rig.url);
    behind.pipeline = guarded.pipeline.clone();
    let again = tokio::time::timeout(Duration::from_secs(30), deliver_events(&behind, "one", &events));
    assert_eq!(again.await.expect("it is not held"), words("shape again", "duplicate"));
    guarded.rig.assert_accounts_agree().await;
}
