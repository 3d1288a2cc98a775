//! `purser verify`: finds whatever does not agree, gives no false alarm, and mends what is derived.

mod command;
mod complete;
mod dead_letters;
mod live;
mod planted;

use bytes::Bytes;
use purser::intake::{Delivery, Origin};
use purser::verify::{Report, Verifier};
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::support::clicks::{click, click_from, order};
use crate::support::shop::{article, purchase_with, user};
use crate::support::views::{batch, screen, view};
use crate::support::{Rig, delivery, orders, verifier};

/// Events of every kind, and rejected ones: round `number` differs from all others.
async fn store_a_round(rig: &Rig, number: u128) {
    let id = |place: u128| Uuid::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + number * 100 + place);
    let at =
        |place: u128| format!("2026-0{}-{:02}T{:02}:30:00Z", 1 + place % 3, 1 + (number + place) % 28, number % 24);
    let bought = (0..8).map(|place| purchase_with(id(place), "timestamp", json!(at(place))));
    let unknown = purchase_with(id(8), "user_id", json!(user(90 + number % 5)));
    let several = purchase_with(id(9), "cart", json!([{"article_id": article(80), "quantity": 0}]));
    let purchases: Vec<String> = bought.chain([unknown, several]).map(|event| event.to_string()).collect();
    rig.words(purchases.into_iter().chain([format!("not json {number}")])).await;
    let seen = |place: u128| {
        let (user, version) = (format!("u{}", (number + place) % 7), format!("v{}", (number * place) % 3));
        json!({"user_id": user, "account_type": "free", "date": at(place), "version": version}).to_string()
    };
    rig.words_as("ab_event", (0..6).map(seen)).await;
    rig.words_as("order", [orders::order(&format!("o{number}")).to_string(), "{}".to_owned()]).await;
    let customer = |place: i64| format!("c{}", place % 3);
    let minute = |place: i64| i64::try_from(number).unwrap() * 7 + place * 13;
    let clicks = (0..6).map(|place| match place {
        0 => click_from("https://else.test/", format!("{number}-{place}"), &customer(place), minute(place)),
        1 => order(format!("{number}-{place}"), &customer(place), minute(place)),
        _ => click(format!("{number}-{place}"), Some(&customer(place)), minute(place)),
    });
    rig.words_as("click_event", clicks.map(|event| event.to_string())).await;
    rig.decide_as("product_view", vec![views()]).await;
}

/// A message that holds two views and something else.
fn views() -> (Delivery, oneshot::Receiver<Vec<purser::pipeline::Outcome>>) {
    let millis = 1_454_328_000_000.0;
    let events = batch(&[view("1", millis), screen(), view("2", millis)]);
    let (mut delivery, told) = delivery(Bytes::from(events.to_string()));
    if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
        *attributes = std::collections::BTreeMap::from([("platform".to_owned(), "iOS".to_owned())]);
    }
    (delivery, told)
}

/// Compares all that is in the database.
async fn compare(rig: &Rig) -> Report {
    verifier(rig.pool(), None).verify(&[]).await.unwrap()
}

/// Mends what can be mended.
async fn mend(rig: &Rig) -> Report {
    Verifier { repair: true, ..verifier(rig.pool(), None) }.verify(&[]).await.unwrap()
}

/// Where and in what there are differences that are left.
fn left(report: &Report) -> Vec<(&str, &str)> {
    let all = report.checks.iter().flat_map(|check| &check.differences).filter(|found| !found.mended);
    all.map(|found| (found.difference.what.as_str(), found.difference.place.as_str())).collect()
}

fn mended(report: &Report) -> u64 {
    report.checks.iter().map(|check| check.mended).sum()
}
