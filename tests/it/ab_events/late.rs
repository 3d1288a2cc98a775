//! Shoppers who come after their events.

use std::time::Duration;

use serde_json::json;

use super::{Upkeep, count, counts, event, event_with, nobody_waits, shopper, store};
use crate::support::Rig;
use crate::support::stack::eventually;

/// Whether somebody waits for a lock on a table, or for an `advisory` one.
async fn waiting_for(rig: &Rig, lock: &str) -> bool {
    let select = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                                 WHERE datname = current_database() AND NOT granted
                                     AND coalesce(relation::regclass::text, locktype) = $1)";
    sqlx::query_scalar(select).bind(lock).fetch_one(rig.pool()).await.unwrap()
}

#[tokio::test]
async fn a_shopper_who_comes_later_takes_its_events_along() {
    let rig = Rig::new().await;
    store(&rig, [event("u", "A"), event("u", "B"), event("v", "A"), event_with("u", "A", "date", json!("2026-01-01"))])
        .await;
    assert_eq!(counts(&rig).await, [count("unknown", "A", 3), count("unknown", "B", 1)]);
    let upkeep = Upkeep::start(&rig);
    shopper(&rig, "u", Some("FR")).await;
    nobody_waits(&rig).await;
    assert_eq!(counts(&rig).await, [count("FR", "A", 2), count("FR", "B", 1), count("unknown", "A", 1)]);
    assert_eq!(rig.number("SELECT count(*) FROM ab_events WHERE country = 'FR' AND gender = 'F'").await, 3);
    rig.assert_accounts_agree().await;
    // Whoever gets a country later is found, too; who never does holds up nobody.
    shopper(&rig, "v", None).await;
    store(&rig, [event("w", "A")]).await;
    shopper(&rig, "w", Some("DE")).await;
    nobody_waits(&rig).await;
    shopper(&rig, "v", Some("GB")).await;
    nobody_waits(&rig).await;
    assert_eq!(
        counts(&rig).await,
        ["DE", "FR", "FR", "GB"]
            .into_iter()
            .zip(["A", "A", "B", "A"])
            .zip([1, 2, 1, 1])
            .map(|((country, version), events)| count(country, version, events))
            .collect::<Vec<_>>()
    );
    rig.assert_accounts_agree().await;
    upkeep.stop().await;
}

#[tokio::test]
async fn what_was_known_does_not_change_with_the_shopper() {
    let rig = Rig::new().await;
    shopper(&rig, "u", Some("DE")).await;
    store(&rig, [event("u", "A")]).await;
    shopper(&rig, "u", Some("FR")).await;
    store(&rig, [event("u", "A")]).await;
    sqlx::query("DELETE FROM shoppers").execute(rig.pool()).await.unwrap();
    store(&rig, [event("u", "A")]).await;
    shopper(&rig, "u", Some("GB")).await;
    let upkeep = Upkeep::start(&rig);
    nobody_waits(&rig).await;
    upkeep.stop().await;
    assert_eq!(counts(&rig).await, [count("DE", "A", 1), count("FR", "A", 1), count("GB", "A", 1)]);
    assert_eq!(rig.number("SELECT sum(users)::bigint FROM ab_audience").await, 1);
    rig.assert_accounts_agree().await;
}

/// A batch that has looked at the user, and not committed, is waited for.
#[tokio::test]
async fn an_event_that_commits_during_the_move_is_moved_too() {
    let rig = Rig::new().await;
    store(&rig, [event("u", "A")]).await;
    let mut holding = rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE ab_split IN SHARE MODE").execute(&mut *holding).await.unwrap();
    let storing = tokio::spawn({
        let rig = Rig::on(&rig.url);
        async move { store(&rig, [event("u", "A")]).await }
    });
    eventually("the batch is at its last statement", async || waiting_for(&rig, "ab_split").await).await;
    shopper(&rig, "u", Some("DE")).await;
    let upkeep = Upkeep::start(&rig);
    eventually("the move waits for the batch", async || waiting_for(&rig, "advisory").await).await;
    holding.rollback().await.unwrap();
    storing.await.unwrap();
    nobody_waits(&rig).await;
    upkeep.stop().await;
    assert_eq!(counts(&rig).await, [count("DE", "A", 2)]);
    rig.assert_accounts_agree().await;
}

/// A batch that had asked for the shopper too early, and inserts after the move, leaves nothing behind.
#[tokio::test]
async fn an_event_that_comes_after_the_move_without_its_shopper_is_moved_later() {
    let rig = Rig::new().await;
    store(&rig, [event("u", "A")]).await;
    let mut holding = rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE batches IN SHARE MODE").execute(&mut *holding).await.unwrap();
    let storing = tokio::spawn({
        let rig = Rig::on(&rig.url);
        async move { store(&rig, [event("u", "A")]).await }
    });
    eventually("the batch has asked for its shoppers", async || waiting_for(&rig, "batches").await).await;
    shopper(&rig, "u", Some("DE")).await;
    let upkeep = Upkeep::start(&rig);
    nobody_waits(&rig).await;
    assert_eq!(counts(&rig).await, [count("DE", "A", 1)]);
    assert_eq!(rig.number("SELECT count(*) FROM ab_users WHERE 'unknown' = ANY (countries)").await, 0);
    holding.rollback().await.unwrap();
    storing.await.unwrap();
    nobody_waits(&rig).await;
    upkeep.stop().await;
    assert_eq!(counts(&rig).await, [count("DE", "A", 2)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_shopper_with_many_events_is_moved_bit_by_bit() {
    let rig = Rig::new().await;
    let events = (0..25_000).map(|number| event("busy", if number < 12_000 { "A" } else { "B" }));
    store(&rig, events.chain([event("other", "A")])).await;
    shopper(&rig, "busy", Some("DE")).await;
    let mut holding = rig.pool().begin().await.unwrap();
    let upkeep = Upkeep::start(&rig);
    let moved = "SELECT count(*) FROM ab_events WHERE country = 'DE'";
    eventually("some are moved", async || rig.number(moved).await > 0).await;
    // While this is held, nothing is moved; whatever has been by then, everything agrees.
    sqlx::query("SELECT pg_advisory_xact_lock_shared(123649733648738)").execute(&mut *holding).await.unwrap();
    rig.assert_accounts_agree().await;
    holding.rollback().await.unwrap();
    nobody_waits(&rig).await;
    upkeep.stop().await;
    assert_eq!(counts(&rig).await, [count("DE", "A", 12_000), count("DE", "B", 13_000), count("unknown", "A", 1)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn several_workers_move_while_others_store() {
    let rig = Rig::new().await;
    let upkeeps: Vec<Upkeep> = (0..3).map(|_| Upkeep::start(&rig)).collect();
    let writers = (0..4_usize).map(|writer| {
        let rig = Rig::on(&rig.url);
        tokio::spawn(async move {
            for round in 0..10_usize {
                let user = |number: usize| format!("u{}", (number * 7 + writer + round * 3) % 60);
                store(&rig, (0..50).map(|number| event(&user(number), ["A", "B", "C"][(number + writer) % 3]))).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for number in 0..60 {
        shopper(&rig, &format!("u{number}"), Some(["DE", "FR"][number % 2])).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    nobody_waits(&rig).await;
    for upkeep in upkeeps {
        upkeep.stop().await;
    }
    assert_eq!(rig.assert_accounts_agree().await.stored, 2000);
    assert_eq!(rig.number("SELECT sum(events)::bigint FROM ab_split WHERE country = 'unknown'").await, 0);
}

/// The table is somebody else's: it may be away, and come back with a key of another type.
#[tokio::test]
async fn a_table_that_is_away_is_waited_for() {
    let rig = Rig::new().await;
    let id = "0d3f4e3a-7a52-4b7e-9a55-2f6b5f0c0a01";
    store(&rig, [event(id, "A"), event("no uuid", "A")]).await;
    sqlx::query("DROP TABLE shoppers").execute(rig.pool()).await.unwrap();
    let upkeep = Upkeep::start(&rig);
    let asked = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let before = rig.number(asked).await;
    eventually("it was looked for in vain", async || rig.number(asked).await > before).await;
    sqlx::raw_sql(
        "CREATE TABLE shoppers (user_id uuid, country varchar(2), gender varchar, name varchar);
         INSERT INTO shoppers VALUES ('0d3f4e3a-7a52-4b7e-9a55-2f6b5f0c0a01', 'SE', 'x', 'y')",
    )
    .execute(rig.pool())
    .await
    .unwrap();
    eventually("the event has its country", async || {
        rig.number("SELECT count(*) FROM ab_events WHERE country = 'SE'").await == 1
    })
    .await;
    upkeep.stop().await;
    store(&rig, [event(id, "A"), event("no uuid", "A")]).await;
    assert_eq!(counts(&rig).await, [count("SE", "A", 2), count("unknown", "A", 2)]);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn upkeep_ends_when_it_is_told_to_also_while_the_database_is_away() {
    let rig = Rig::on("postgres://nobody:secret@127.0.0.1:1/nothing");
    let upkeep = Upkeep::start(&rig);
    tokio::task::yield_now().await;
    tokio::time::timeout(Duration::from_secs(20), upkeep.stop()).await.unwrap();
}
