//! Dead letters that are tried again, by a reviewer or by themselves.

mod encodings;
mod healing;
mod races;

use bytes::Bytes;
use purser::blob::Blob;
use purser::dead_letters::{Archive, Filter, Replay, Replayed, Shipper, Status, Tally};
use purser::health::Health;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::Rig;
use crate::support::shop::{purchase, purchase_with, user};

/// A pipeline, and a folder that its dead letters are shipped to.
struct Desk {
    rig: Rig,
    folder: TempDir,
    blob: Blob,
}

impl Desk {
    async fn new() -> Desk {
        Desk::on(Rig::new().await)
    }

    fn on(rig: Rig) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let blob = Blob::open(folder.path().to_str().unwrap()).unwrap();
        Desk { rig, folder, blob }
    }

    fn replay(&self) -> Replay {
        let archive = Archive { pool: self.rig.pool().clone(), blob: self.blob.clone() };
        Replay { pipeline: self.rig.pipeline.clone(), archive, becomes: Status::Replayed }
    }

    async fn replay_all(&self) -> Tally {
        sum(&self.replay().run(&Filter::open(), |_| {}).await.unwrap())
    }

    async fn ship(&self) {
        let Rig { pipeline, .. } = &self.rig;
        let (pool, metrics) = (pipeline.pool.clone(), pipeline.metrics.clone());
        Shipper { pool, blob: self.blob.clone(), health: Health::default(), metrics }.ship().await.unwrap();
    }

    /// Status and attempt of the only dead letter.
    async fn letter(&self) -> (Uuid, String, i32) {
        sqlx::query_as("SELECT id, status, attempt FROM dead_letters").fetch_one(self.rig.pool()).await.unwrap()
    }

    /// The records of the folder, changes of status among them, in the order in which they were written.
    fn shipped(&self) -> Vec<Value> {
        let lines = crate::support::letters::lines_below(self.folder.path());
        let mut records: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        records.sort_by_key(|record| (record["schema"].as_str() != Some(RECORD), record["attempt"].as_i64()));
        records
    }

    async fn add_user(&self, id: Uuid) {
        let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Late', 'PO 1\nBoise, ID 83701')");
        insert.bind(id).execute(self.rig.pool()).await.unwrap();
    }
}

const RECORD: &str = "purser.dead_letter/1";

fn sum(replayed: &Replayed) -> Tally {
    replayed.tallies.values().fold(Tally::default(), |sum, tally| Tally {
        matched: sum.matched + tally.matched,
        stored: sum.stored + tally.stored,
        duplicate: sum.duplicate + tally.duplicate,
        rejected: sum.rejected + tally.rejected,
        ignored: sum.ignored + tally.ignored,
        unreadable: sum.unreadable + tally.unreadable,
    })
}

/// A purchase by somebody who is not there yet.
fn early(id: Uuid, buyer: Uuid) -> String {
    purchase_with(id, "user_id", json!(buyer)).to_string()
}

#[tokio::test]
async fn a_mended_cause_lets_it_pass_once() {
    let desk = Desk::new().await;
    let (id, buyer) = (Uuid::now_v7(), user(9));
    assert_eq!(desk.rig.words([early(id, buyer)]).await, ["reference"]);
    desk.ship().await;
    desk.add_user(buyer).await;
    assert_eq!(desk.replay_all().await, Tally { matched: 1, stored: 1, ..Tally::default() });
    assert_eq!(desk.replay_all().await, Tally::default(), "it is closed");
    let (letter, status, attempt) = desk.letter().await;
    assert_eq!((status.as_str(), attempt), ("replayed", 1));
    desk.ship().await;
    let [record, change] = desk.shipped().try_into().unwrap();
    assert_eq!((&record["id"], &record["attempt"]), (&json!(letter), &json!(1)));
    assert_eq!((&change["id"], &change["status"]), (&json!(letter), &json!("replayed")));
    assert_eq!(change["schema"], "purser.dead_letter_status/1");
    let accounts = desk.rig.assert_accounts_agree().await;
    assert_eq!((accounts.stored, accounts.rejected), (1, 1));
    assert_eq!(desk.rig.number("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(desk.rig.number("SELECT sum(waiting)::int8 FROM rejections").await, 0);
    assert_eq!(desk.rig.words([early(id, buyer)]).await, ["duplicate"], "delivered again, it changes nothing");
}

#[tokio::test]
async fn what_is_rejected_again_keeps_its_identity() {
    let desk = Desk::new().await;
    let payload = early(Uuid::now_v7(), user(9));
    assert_eq!(desk.rig.words([payload.clone()]).await, ["reference"]);
    let (letter, ..) = desk.letter().await;
    for _ in 0..2 {
        assert_eq!(desk.replay_all().await, Tally { matched: 1, rejected: 1, ..Tally::default() });
    }
    assert_eq!(desk.letter().await, (letter, "open".to_owned(), 3));
    desk.ship().await;
    let records = desk.shipped();
    let attempts: Vec<(&Value, &Value)> = records.iter().map(|record| (&record["id"], &record["attempt"])).collect();
    let id = json!(letter);
    assert_eq!(attempts, [(&id, &json!(1)), (&id, &json!(2)), (&id, &json!(3))]);
    assert!(records.iter().all(|record| record["payload"]["data"] == json!(payload)), "byte for byte");
    assert!(records.iter().all(|record| record["received_at"] == records[0]["received_at"]));
    desk.rig.assert_accounts_agree().await;
    assert_eq!(desk.rig.number("SELECT sum(waiting)::int8 FROM rejections").await, 1);
    assert_eq!(desk.rig.words([payload]).await, ["reference again"], "another message with it is the same dead letter");
    assert_eq!(desk.rig.number("SELECT count(*) FROM dead_letters").await, 1);
}

#[tokio::test]
async fn another_reason_moves_the_counts() {
    let desk = Desk::new().await;
    let (id, buyer) = (Uuid::now_v7(), user(9));
    assert_eq!(desk.rig.words([early(id, buyer)]).await, ["reference"]);
    assert_eq!(desk.rig.words([purchase(id).to_string()]).await, ["stored"], "the id is taken meanwhile");
    desk.add_user(buyer).await;
    assert_eq!(desk.replay_all().await, Tally { matched: 1, rejected: 1, ..Tally::default() });
    let counts: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT reason, code, sum(count)::int8, sum(waiting)::int8 FROM rejections
         GROUP BY reason, code HAVING sum(count) > 0",
    )
    .fetch_all(desk.rig.pool())
    .await
    .unwrap();
    assert_eq!(counts, [("conflict".to_owned(), "content_differs".to_owned(), 1, 0)]);
    assert_eq!(desk.rig.number("SELECT count(*) FROM waiting").await, 0);
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_is_stored_already_closes_as_a_duplicate() {
    let desk = Desk::new().await;
    let (id, buyer) = (Uuid::now_v7(), user(9));
    assert_eq!(desk.rig.words([early(id, buyer)]).await, ["reference"]);
    desk.add_user(buyer).await;
    assert_eq!(desk.rig.words([early(id, buyer)]).await, ["stored"], "its publisher sends it again");
    assert_eq!(desk.replay_all().await, Tally { matched: 1, duplicate: 1, ..Tally::default() });
    assert_eq!(desk.letter().await.1, "replayed");
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_become_of_them_and_changes_nothing() {
    let desk = Desk::new().await;
    let buyer = user(9);
    let broken = purchase_with(Uuid::now_v7(), "timestamp", json!(7)).to_string();
    desk.rig.words([early(Uuid::now_v7(), buyer), early(Uuid::now_v7(), user(8)), broken]).await;
    desk.add_user(buyer).await;
    let dry = Replay { pipeline: desk.rig.pipeline.clone().dry_run(), ..desk.replay() };
    for _ in 0..2 {
        let would = dry.run(&Filter::open(), |_| {}).await.unwrap();
        assert_eq!(sum(&would), Tally { matched: 3, stored: 1, rejected: 2, ..Tally::default() });
        assert_eq!(would.tallies.len(), 2, "by fingerprint");
    }
    assert_eq!(desk.rig.number("SELECT count(*) FROM dead_letters WHERE status = 'open' AND attempt = 1").await, 3);
    assert_eq!(desk.rig.number("SELECT count(*) FROM purchases").await, 0);
    assert_eq!(desk.rig.number("SELECT count(*) FROM batches").await, 1);
    assert_eq!(desk.replay_all().await.stored, 1);
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn of_a_message_with_several_events_only_the_rejected_one_is_judged_again() {
    let desk = Desk::new().await;
    let views = |product: &str| crate::support::views::view(product, 1_515_546_904_352.0);
    let message =
        crate::support::views::batch(&[views("1_001"), json!({"event_type": "custom_event"}), views("2_001")]);
    let message = Bytes::from(message.to_string());
    let words = desk.rig.words_as("product_view", [message]).await;
    assert!(words[0].contains("shape"), "{words:?}");
    let before = desk.rig.number("SELECT count(*) FROM dead_letters").await;
    let rows = desk.rig.number("SELECT count(*) FROM product_views").await;
    let tally = desk.replay_all().await;
    assert_eq!((tally.matched, tally.rejected), (before as u64, before as u64));
    assert_eq!(desk.rig.number("SELECT count(*) FROM product_views").await, rows);
    assert_eq!(desk.rig.number("SELECT count(*) FROM dead_letters").await, before);
    desk.rig.assert_accounts_agree().await;
}
