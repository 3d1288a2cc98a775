//! Healer, operators and redeliveries that want the same dead letters at once.

use purser::dead_letters::{Filter, Status};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Desk, early};
use crate::support::Rig;
use crate::support::shop::user;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_replays_and_the_messages_themselves_store_each_once() {
    let desk = Desk::new().await;
    let payloads: Vec<String> = (0..400).map(|_| early(Uuid::now_v7(), user(9))).collect();
    desk.rig.words(payloads.clone()).await;
    desk.ship().await;
    desk.add_user(user(9)).await;
    let mut all = JoinSet::new();
    for becomes in [Status::Replayed, Status::Healed, Status::Replayed] {
        let replay = purser::dead_letters::Replay { becomes, ..desk.replay() };
        all.spawn(async move { super::sum(&replay.run(&Filter::open(), |_| {}).await.unwrap()).stored });
    }
    let url = desk.rig.url.clone();
    all.spawn(async move {
        let words = Rig::on(&url).words(payloads).await;
        words.iter().filter(|word| *word == "stored").count() as u64
    });
    let stored: u64 = all.join_all().await.into_iter().sum();
    assert_eq!(stored, 400);
    assert_eq!(desk.rig.number("SELECT count(*) FROM dead_letters WHERE status = 'open'").await, 0);
    assert_eq!(desk.rig.assert_accounts_agree().await.stored, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_attempt_is_judged_once_however_many_replay_it() {
    let desk = Desk::new().await;
    desk.rig.words((0..50).map(|_| early(Uuid::now_v7(), user(9)))).await;
    let mut all = JoinSet::new();
    for _ in 0..4 {
        let replay = desk.replay();
        all.spawn(async move { super::sum(&replay.run(&Filter::open(), |_| {}).await.unwrap()) });
    }
    let rejected: u64 = all.join_all().await.iter().map(|tally| tally.rejected).sum();
    let attempts = desk.rig.number("SELECT sum(attempt - 1)::int8 FROM dead_letters").await;
    assert_eq!(i64::try_from(rejected).unwrap(), attempts, "every rejection is an attempt of its own");
    desk.ship().await;
    assert_eq!(desk.shipped().len() as i64, 50 + attempts, "with a record of its own");
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_was_discarded_is_not_replayed() {
    let desk = Desk::new().await;
    desk.rig.words([early(Uuid::now_v7(), user(9))]).await;
    desk.add_user(user(9)).await;
    let (letter, ..) = desk.letter().await;
    let mut tx = desk.rig.pool().begin().await.unwrap();
    let closed =
        purser::dead_letters::close(&mut tx, &[letter], Status::Discarded, Some("a test order")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(closed, [letter]);
    assert_eq!(desk.replay_all().await.matched, 0);
    desk.ship().await;
    let change = desk.shipped().pop().unwrap();
    assert_eq!((&change["status"], &change["because"]), (&"discarded".into(), &"a test order".into()));
    assert_eq!(desk.rig.number("SELECT sum(waiting)::int8 FROM rejections").await, 0);
}
