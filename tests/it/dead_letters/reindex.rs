//! The index out of the folder alone.

use std::io::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, by_nobody, of_nothing};
use crate::support::shop::{purchase, purchase_with, user};
use crate::support::views::{batch, view};
use crate::support::{Rig, delivery};

/// Everything that the index says, and the rollup over it.
const INDEX: &str = "
    SELECT jsonb_build_object(
        'letters', (SELECT jsonb_agg(to_jsonb(letter) ORDER BY id) FROM dead_letters AS letter),
        'waiting', (SELECT jsonb_agg(to_jsonb(waiting) ORDER BY reference_table, reference_id, dead_letter) FROM waiting),
        'segments', (SELECT jsonb_agg(jsonb_build_array(id, object, shipped_at IS NULL) ORDER BY id) FROM dead_letter_segments),
        'rejections', (SELECT jsonb_agg(to_jsonb(sum) ORDER BY starts_at, kind, reason, code) FROM (
            SELECT starts_at, kind, reason, code, sum(count) AS count, sum(waiting) AS waiting
            FROM rejections GROUP BY starts_at, kind, reason, code HAVING sum(count) > 0) AS sum))";

async fn index(rig: &Rig) -> Value {
    sqlx::query_scalar(INDEX).fetch_one(rig.pool()).await.unwrap()
}

/// Dead letters of every form: open, tried again in vain, replayed, discarded; payloads of every encoding.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    let others: [bytes::Bytes; 5] = [
        "nonsense\0".into(),
        vec![0xff, 0xfe].into(),
        " ".repeat((1 << 20) + 1).into(),
        purchase(Uuid::from_u128(20)).to_string().into(),
        purchase_with(Uuid::from_u128(20), "user_id", json!(user(2))).to_string().into(),
    ];
    desk.rig.words((1..6).map(by_nobody).chain((6..8).map(of_nothing)).chain(others)).await;
    desk.ship().await;
    let views: Vec<Value> = (0..3).map(|_| view("", -1.0)).collect();
    desk.rig.decide_as("product_view", vec![delivery(batch(&views).to_string().into())]).await;
    let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Late', 'PO 1\nBoise, ID 83701')");
    insert.bind(user(901)).execute(desk.rig.pool()).await.unwrap();
    desk.answer(&["replay", "--kind=purchase", "--code=unknown_user"]);
    desk.answer(&["replay", "--code=unknown_user"]);
    desk.answer(&["discard", "--reason=shape", "--because", "sent by a test"]);
    desk.ship().await;
    desk
}

#[tokio::test]
async fn the_folder_alone_makes_the_same_index() {
    let (desk, fresh) = (desk().await, Rig::new().await);
    let before = index(&desk.rig).await;
    let statuses =
        |status| before["letters"].as_array().unwrap().iter().filter(|letter| letter["status"] == status).count();
    assert!(statuses("open") >= 6 && statuses("replayed") == 1 && statuses("discarded") >= 2, "{before}");
    assert!(before["letters"].as_array().unwrap().iter().any(|letter| letter["attempt"] == 3), "{before}");
    let output = desk.purser_on(&fresh.url, &["reindex"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = index(&fresh).await;
    for part in ["letters", "waiting", "segments", "rejections"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    for rig in [&fresh, &desk.rig] {
        let again = desk.purser_on(&rig.url, &["reindex"]);
        let answer = String::from_utf8(again.stdout).unwrap();
        assert!(again.status.success() && answer.contains("index: 0 added, 0 renewed, 0 closed"), "{answer}");
        assert_eq!(index(rig).await, before);
    }
    let replayed = desk.purser_on(&fresh.url, &["replay"]);
    let answer = String::from_utf8(replayed.stdout).unwrap();
    assert!(replayed.status.success() && !answer.contains("no open"), "what was rebuilt can be replayed: {answer}");
}

#[tokio::test]
async fn what_the_database_knows_better_stays() {
    let desk = desk().await;
    let discarded = desk.groups(&["--code=unknown_user"])[0]["sample_id"].as_str().unwrap().to_owned();
    let mut tx = desk.rig.pool().begin().await.unwrap();
    let ids = [discarded.parse().unwrap()];
    purser::dead_letters::close(&mut tx, &ids, purser::dead_letters::Status::Discarded, Some("later")).await.unwrap();
    tx.commit().await.unwrap();
    let before = index(&desk.rig).await;
    sqlx::raw_sql("DELETE FROM waiting; DELETE FROM dead_letters WHERE reason = 'reference' AND status = 'open'")
        .execute(desk.rig.pool())
        .await
        .unwrap();
    let answer = desk.answer(&["reindex"]);
    assert!(answer.contains("3 added") && answer.contains("0 closed"), "{answer}");
    assert_eq!(index(&desk.rig).await, before);
}

#[tokio::test]
async fn an_older_index_learns_what_happened_since() {
    let desk = desk().await;
    let before = index(&desk.rig).await;
    sqlx::raw_sql(
        "UPDATE dead_letters SET status = 'open', status_at = NULL, because = NULL WHERE status = 'discarded';
         UPDATE dead_letters SET attempt = 1, segment = NULL, line = NULL WHERE attempt > 1",
    )
    .execute(desk.rig.pool())
    .await
    .unwrap();
    desk.answer(&["reindex"]);
    assert_eq!(index(&desk.rig).await, before, "nothing that was discarded comes back to life");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_left_out() {
    let (desk, fresh) = (desk().await, Rig::new().await);
    let object = desk.objects("decode").remove(0);
    let mut file = std::fs::OpenOptions::new().append(true).open(&object).unwrap();
    writeln!(file, "{}\n\n{{\"schema\":\"purser.dead_letter/1\",\"id\":", json!({"schema": "somebody else's"}))
        .unwrap();
    std::fs::write(object.with_file_name("notes.txt"), "not ours").unwrap();
    let before = index(&desk.rig).await;
    let output = desk.purser_on(&fresh.url, &["reindex"]);
    let (said, answer) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
    assert!(!output.status.success() && answer.contains("could not be used: 3"), "{answer}");
    assert!(said.contains("notes.txt: its name is not one") && said.contains(", line 5: it is no record"), "{said}");
    assert_eq!(index(&fresh).await["letters"], before["letters"], "the others are indexed");
}
