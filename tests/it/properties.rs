//! Whatever comes in whatever order: the books balance after every step, and it makes no difference by which of
//! two paths an event came. `PROPTEST_CASES` sets how many sequences are tried.

mod paths;
mod sequences;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use purser::intake::{Delivery, Origin};
use purser::pipeline::Outcome;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::support::clicks::{click_from, order as clicked_order};
use crate::support::shop::{article, purchase_with, user};
use crate::support::views::{batch, screen, view};
use crate::support::{Rig, delivery_with, orders};

const KINDS: [&str; 5] = ["purchase", "ab_event", "order", "click_event", "product_view"];

/// One delivery of few possible ones, so that duplicates, conflicts and redeliveries are common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    /// Which event, and for kinds without a natural key which delivery.
    event: u8,
    /// Which content of it.
    content: u8,
    /// Another message about the same event, where it has a natural key.
    message: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    (0..9_u8, 0..4_u8, 0..2_u8).prop_map(|(event, content, message)| Sent { event, content, message })
}

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, max_shrink_iters: 60, ..ProptestConfig::default() }
}

impl Sent {
    fn delivery(&self, kind: &str) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
        let Sent { event, content, message } = self;
        let id = match kind {
            "ab_event" | "product_view" => format!("pubsub:test:{event}"),
            _ => format!("pubsub:test:{event}-{content}-{message}"),
        };
        let published_at = "2026-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let (mut delivery, told) = delivery_with(id, Bytes::from(self.payload(kind)), published_at);
        if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
            let platform = ("platform".to_owned(), ["iOS", "Android"][usize::from(event % 2)].to_owned());
            *attributes = std::collections::BTreeMap::from([platform]);
        }
        (delivery, told)
    }

    fn payload(&self, kind: &str) -> String {
        match kind {
            _ if self.event == 8 => ["", "not json", "[]", "{}"][usize::from(self.content)].to_owned(),
            "purchase" => self.purchase().to_string(),
            "ab_event" => self.ab_event().to_string(),
            "order" => self.order().to_string(),
            "click_event" => self.click().to_string(),
            _ => self.views().to_string(),
        }
    }

    fn hour(&self) -> String {
        format!("2026-0{}-{:02}T{:02}:59:59.999999Z", 1 + self.event % 2, 1 + self.content, self.event)
    }

    /// Users 5 and 6 come and go.
    fn purchase(&self) -> Value {
        let mut purchase = purchase_with(Uuid::from_u128(self.event.into()), "timestamp", json!(self.hour()));
        purchase["user_id"] = json!(user(u128::from(1 + (self.event + self.content) % 6)));
        let line =
            |line: u8| json!({"article_id": article((1 + (line + self.event) % 4).into()), "quantity": 1 + line});
        purchase["cart"] = (0..1 + self.content).map(line).collect();
        purchase
    }

    fn ab_event(&self) -> Value {
        let (user, version) = (format!("u{}", self.event % 4), format!("v{}", self.content));
        let date = if self.message == 1 && self.content == 3 { "never".to_owned() } else { self.hour() };
        json!({"user_id": user, "account_type": "free", "date": date, "version": version})
    }

    fn order(&self) -> Value {
        let lines = (0..self.content).map(|line| json!({"id": format!("i{line}"), "quantity": 1 + self.event}));
        let mut order = orders::order_with(&format!("o{}", self.event), "line_items", lines.collect());
        order["order_value"] = json!(f64::from(self.content) - 0.5);
        order
    }

    fn click(&self) -> Value {
        let (id, customer) = (format!("e{}", self.event), format!("c{}", self.event % 3));
        let minutes = i64::from(self.event) * 17 + i64::from(self.content) * 100;
        match self.content {
            0 => clicked_order(id, &customer, minutes),
            _ => click_from(
                ["https://else.test/", "https://shop.test/", "nowhere"][usize::from(self.event % 3)],
                id,
                &customer,
                minutes,
            ),
        }
    }

    fn views(&self) -> Value {
        let millis = 1_454_328_000_000.0 + f64::from(self.content) * 1000.0;
        let nameless = json!({"event_type": "custom_event", "data": {"event_name": "product", "timestamp_unixtime_ms": millis, "custom_attributes": {}}});
        batch(&[view("1", millis), screen(), nameless, view(&self.event.to_string(), millis)])
    }
}

/// Decides deliveries as one batch, and says what became of the events of each.
async fn decide(rig: &Rig, kind: &str, sent: &[Sent]) -> Vec<String> {
    let deliveries = sent.iter().map(|sent| sent.delivery(kind)).collect();
    rig.decide_as(kind, deliveries).await.iter().map(|outcomes| crate::support::word(outcomes)).collect()
}
