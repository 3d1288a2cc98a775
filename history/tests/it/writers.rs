//! Workers beside a move: views that come late, and views that come again.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::Utc;
use purser::events::Kind;
use purser::intake::{Delivery, Origin, Receipt, Source};
use purser::pipeline::worker::BatchLimits;
use purser::pipeline::{Outcome, Pipeline};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{House, midnight};

/// Views of a message.
const VIEWS: i64 = 20;

struct Unheard;

impl Receipt for Unheard {
    fn settle(self: Box<Self>, _: Vec<Outcome>) {}
}

/// A message of one day; the same number is the same message.
fn message(number: i64) -> Delivery {
    let noon = midnight(number % 3).timestamp_millis() + 43_200_000;
    let view = |view: i64| {
        let at = noon + number * VIEWS + view;
        let attributes = json!({"codeColor": format!("product {}", view % 7)});
        let data = json!({"event_name": "product", "timestamp_unixtime_ms": at, "custom_attributes": attributes});
        json!({"event_type": "custom_event", "data": data})
    };
    let payload = json!({"events": (0..VIEWS).map(view).collect::<Vec<_>>(), "mpid": number}).to_string();
    let (id, now) = (format!("pubsub:test:{number}"), Utc::now());
    let origin = Origin::PubSub {
        subscription: "projects/test/subscriptions/test".into(),
        message_id: id.clone(),
        publish_time: now,
        ordering_key: String::new(),
        delivery_attempt: None,
        attributes: [("platform".to_owned(), "iOS".to_owned())].into(),
    };
    let receipt = Box::new(Unheard);
    Delivery { id, payload: payload.into(), published_at: now, received_at: now, origin, replays: None, receipt }
}

impl House {
    /// Has a worker decide these messages, a few at a time.
    async fn send(&self, numbers: impl Iterator<Item = i64>) {
        let pipeline = Pipeline::new(self.pool.clone(), Arc::new(Metrics::default()), Shutdown::default(), 1 << 20);
        let (sender, receiver) = mpsc::channel(1);
        let limits = BatchLimits { deliveries: 5, ..BatchLimits::default() };
        let deciding = Kind::named("product_view").unwrap().decide(pipeline, Source::PubSub, receiver, limits);
        let sending = async move {
            for number in numbers {
                sender.send(message(number)).await.unwrap();
            }
        };
        let (decided, ()) = tokio::join!(deciding, sending);
        decided.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn late_and_repeated_views_beside_a_move_count_once() {
    let house = House::new().await;
    house.send(0..120).await;
    let moving = async {
        let mut moved = 0;
        while moved < 300 * VIEWS {
            moved += i64::try_from(house.do_move(3).await.unwrap()).unwrap();
        }
    };
    let known = house.send((0..120).rev().chain(0..200));
    let late = house.send((120..300).chain(60..300));
    tokio::join!(moving, known, late);

    let views = 300 * VIEWS;
    let everything = house.everything().await;
    let ids: HashSet<&str> = everything.iter().map(|line| &line[..36]).collect();
    assert_eq!((everything.len(), ids.len()), (views as usize, views as usize));
    assert_eq!(house.number("SELECT sum(stored)::int8 FROM batches").await, views);
    assert_eq!(
        house.number("SELECT sum(duplicate)::int8 FROM batches").await,
        (120 + 120 + 200 + 180 + 240 - 300) * VIEWS
    );
    assert_eq!(house.number("SELECT count(*) FROM product_views").await, 0);
}
