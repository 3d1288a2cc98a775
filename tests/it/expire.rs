//! What is old enough is removed, and no count becomes wrong.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use purser::database::Run;
use purser::expire::{Ages, Report, expire};
use purser::shutdown::Shutdown;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::house::House;
use crate::support::letters::lines_below;
use crate::support::shop::purchase_with;
use crate::support::{orders, verifier};

impl House {
    async fn expire(&self, run: Run) -> Report {
        let kinds = ["purchase", "ab_event", "order", "click_event", "product_view"];
        let rows: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind, TimeDelta::days(100))).collect();
        let ages = Ages { rows, dead_letters: Some(TimeDelta::days(100)) };
        expire(&self.shipper, &ages, run, &Shutdown::default()).await.unwrap()
    }

    async fn left(&self) -> [i64; 6] {
        let mut left = [0; 6];
        for (count, number) in [
            "SELECT count(*) FROM purchases",
            "SELECT count(*) FROM purchase_items",
            "SELECT count(*) FROM ab_events",
            "SELECT count(*) FROM order_events",
            "SELECT count(*) FROM order_event_items",
            "SELECT count(*) FROM click_events",
        ]
        .into_iter()
        .zip(&mut left)
        {
            *number = self.rig.number(count).await;
        }
        left
    }
}

/// Whole seconds, so many days ago.
fn ago(days: i64) -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0) - TimeDelta::days(days)
}

fn click(id: i64, customer: Option<&str>, at: DateTime<Utc>) -> Value {
    json!({"id": id, "type": "page_view", "event": {"customer-id": customer, "timestamp": at, "page": "https://shop.test/"}})
}

/// One event of each kind: old ones, and new ones.
fn events() -> BTreeMap<&'static str, Vec<Value>> {
    let at = |days: i64| [ago(days), ago(1)];
    let purchases = (1..).zip(at(200)).map(|(n, at)| purchase_with(Uuid::from_u128(n), "timestamp", json!(at)));
    let ab = at(200).map(|at| json!({"user_id": "7", "account_type": "free", "date": at, "version": "A"}));
    let orders = ["o1", "o2"].into_iter().zip(at(200)).map(|(id, at)| orders::order_with(id, "event_date", json!(at)));
    let clicks = [
        click(1, Some("7"), ago(200)),
        click(2, Some("7"), ago(101)),
        click(3, Some("7"), ago(1)),
        click(4, None, ago(200)),
        click(5, None, ago(1)),
        click(6, Some("gone"), ago(200)),
    ];
    BTreeMap::from([
        ("purchase", purchases.collect()),
        ("ab_event", ab.into()),
        ("order", orders.collect()),
        ("click_event", clicks.into()),
    ])
}

#[tokio::test]
async fn old_rows_go_and_what_was_counted_stays() {
    let house = House::new().await;
    let events = events();
    for (kind, events) in &events {
        assert!(house.words(kind, events).await.iter().all(|word| word == "stored"), "{kind}");
    }
    let sold = "SELECT sum(sales)::int8 FROM sales_over_time WHERE grain = 'hour'";
    let shown = "SELECT sum(events)::int8 FROM ab_split";
    let before = (house.rig.number(sold).await, house.rig.number(shown).await, house.left().await);

    let dry = house.expire(Run::Dry).await;
    assert_eq!((house.left().await, house.rig.number("SELECT count(*) FROM expired").await), (before.2, 0));
    let report = house.expire(Run::Real).await;
    let numbers = |report: &Report| report.iter().map(|(what, (number, _))| (*what, *number)).collect::<Vec<_>>();
    assert_eq!(numbers(&report), numbers(&dry));
    assert_eq!(report["click_event"].0, 4);
    assert_eq!(house.left().await, [1, 2, 1, 1, 1, 2]);
    assert_eq!((house.rig.number(sold).await, house.rig.number(shown).await), (before.0, before.1));

    // Stored, by the ledger, are the rows that are there and those that are gone.
    let gone = "SELECT sum(rows)::int8 FROM expired";
    let stored = "SELECT sum(stored)::int8 FROM batches";
    let rows = house.left().await;
    assert_eq!(house.rig.number(stored).await, rows[0] + rows[2] + rows[3] + rows[5] + house.rig.number(gone).await);
    let split = "SELECT (SELECT count(*) FROM ab_events) + (SELECT sum(events)::int8 FROM expired_ab_events)";
    assert_eq!(house.rig.number(split).await, house.rig.number(shown).await);
    house.assert_verified().await;
    assert_eq!(house.rig.number("SELECT count(*) FROM session_customers").await, 1);

    // Nothing is stored, or counted, twice.
    for (kind, events) in &events {
        for word in house.words(kind, events).await {
            assert!(["ignored", "duplicate"].contains(&word.as_str()) || *kind == "ab_event", "{kind}: {word}");
        }
    }
    assert_eq!(house.rig.number(sold).await, before.0);
    house.assert_verified().await;
    let again = house.expire(Run::Real).await;
    assert!(again.values().all(|(number, _)| *number == 0), "{again:?}");
}

#[tokio::test]
async fn old_dead_letters_go_and_are_known_for_what_they_were() {
    let house = House::new().await;
    let wide = format!("{{\"filler\":\"{}\"}}", "x".repeat(1 << 20));
    let old = purchase_with(Uuid::now_v7(), "timestamp", json!("old")).to_string();
    assert_eq!(house.rig.words([old.clone(), wide, "new".to_owned()]).await, ["shape", "oversize", "decode"]);
    // All but the last were rejected long ago.
    house
        .rig
        .execute(
            "UPDATE dead_letters SET failed_at = failed_at - interval '200 days' WHERE id <> (
        SELECT letter FROM dead_letter_outbox WHERE position('\"new\"'::bytea IN record) > 0)"
                .to_owned(),
        )
        .await;
    house.rig.execute("UPDATE dead_letter_outbox SET folder = regexp_replace(folder, 'dt=[0-9-]+', to_char(letter.failed_at, '\"dt=\"YYYY-MM-DD'))
        FROM dead_letters AS letter WHERE letter.id = dead_letter_outbox.letter".to_owned()).await;
    house.shipper.ship().await.unwrap();
    assert_eq!(house.expire(Run::Dry).await["dead_letters"].0, 2);
    assert_eq!(lines_below(house.folder.path()).len(), 3);
    assert_eq!(house.expire(Run::Real).await["dead_letters"].0, 2);
    let lines = lines_below(house.folder.path());
    assert!(lines.len() == 1 && lines[0].contains("\"new\""), "{lines:?}");
    assert_eq!(std::fs::read_dir(house.folder.path().join("dead-letter/payloads")).unwrap().count(), 0);
    let closed = "SELECT count(*) FROM dead_letters WHERE status = 'expired' AND segment IS NULL";
    assert_eq!(house.rig.number(closed).await, 2);
    assert_eq!(house.rig.words([old]).await, ["shape again"]);
    house.shipper.ship().await.unwrap();
    assert_eq!(lines_below(house.folder.path()).iter().filter(|line| line.contains("\"expired\"")).count(), 2);
    assert_eq!(house.expire(Run::Real).await["dead_letters"].0, 0);
    house.shipper.ship().await.unwrap();
    // The hour of their rejection was changed by hand, so that the sum by hours is wrong.
    let verifier = verifier(house.rig.pool(), Some(house.shipper.blob.clone()));
    let report = verifier.verify(&["dead_letters".to_owned(), "ledger".to_owned()]).await.unwrap();
    assert!(report.agrees(), "{report:#?}");
}
