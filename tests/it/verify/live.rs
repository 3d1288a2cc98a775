//! Beside writers: no false alarm, and what is mended is exact afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::future::join_all;
use purser::verify::Found;

use super::{compare, mend, store_a_round};
use crate::support::Rig;

/// Writers at once, and rounds of events that each stores.
const WRITERS: u128 = 3;
const ROUNDS: u128 = 12;

/// Lets writers write while something else is done again and again, and says how often it was.
async fn beside_writers(rig: &Rig, mut again: impl AsyncFnMut(u32)) -> u32 {
    let (written, times) = (AtomicBool::new(false), AtomicU32::new(0));
    let write = async {
        join_all((0..WRITERS).map(async |writer| {
            for round in 0..ROUNDS {
                store_a_round(rig, 10 + writer * ROUNDS + round).await;
            }
        }))
        .await;
        written.store(true, Ordering::SeqCst);
    };
    let watch = async {
        while !written.load(Ordering::SeqCst) {
            again(times.fetch_add(1, Ordering::SeqCst)).await;
        }
    };
    tokio::join!(write, watch);
    times.into_inner()
}

#[tokio::test]
async fn writers_cause_no_false_alarm() {
    let rig = Rig::new().await;
    let compared = beside_writers(&rig, async |_| {
        let report = compare(&rig).await;
        assert!(report.agrees(), "{report:#?}");
    })
    .await;
    assert!(compared > 3, "compared {compared} times");
    rig.assert_accounts_agree().await;
}

/// Each changes a sum by something that only its rows can tell.
const WRONG: [&str; 8] = [
    "UPDATE sales_by_state SET units = units + 7, amount = amount - 1 WHERE grain = 'hour'",
    "UPDATE sales_by_article SET purchases = purchases + 1",
    "DELETE FROM sales_over_time WHERE grain <> 'hour'",
    "UPDATE ab_split SET events = events - 3, users = users + 2",
    "DELETE FROM ab_users WHERE user_id = 'u3'",
    "UPDATE ab_audience SET users = users + 5",
    "UPDATE click_sessions SET events = events + 1, orders = orders + 1",
    "UPDATE rejections SET count = count + 4, waiting = waiting - 2",
];

#[tokio::test]
async fn what_is_mended_while_writers_write_is_exact_afterwards() {
    let rig = Rig::new().await;
    store_a_round(&rig, 0).await;
    let repaired = beside_writers(&rig, async |time| {
        sqlx::query(WRONG[time as usize % WRONG.len()]).execute(rig.pool()).await.unwrap();
        mend(&rig).await;
    })
    .await;
    assert!(repaired > 3, "repaired {repaired} times");
    mend(&rig).await;
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn two_repairers_add_a_difference_once() {
    let rig = Rig::new().await;
    for round in 0..3 {
        store_a_round(&rig, round).await;
    }
    for wrong in WRONG {
        sqlx::query(wrong).execute(rig.pool()).await.unwrap();
        let reports = tokio::join!(mend(&rig), mend(&rig), mend(&rig));
        let checks = [reports.0, reports.1, reports.2].into_iter().flat_map(|report| report.checks);
        let found: Vec<Found> = checks.flat_map(|check| check.differences).filter(|found| found.mended).collect();
        let places: BTreeSet<_> = found.iter().map(|one| (&one.difference.what, &one.difference.place)).collect();
        assert!(!places.is_empty() && places.len() == found.len(), "mended twice: {wrong}: {found:#?}");
        rig.assert_accounts_agree().await;
    }
}
