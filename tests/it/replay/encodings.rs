//! Payloads come back byte for byte, however they are kept.

use bytes::Bytes;
use purser::dead_letters::{Archive, Filter, Unreadable};
use serde_json::json;
use uuid::Uuid;

use super::Desk;
use crate::support::shop::purchase_with;
use crate::support::{Rig, delivery};

impl Desk {
    async fn kept(&self) -> Vec<(String, Result<Bytes, Unreadable>)> {
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters ORDER BY position")
            .fetch_all(self.rig.pool())
            .await
            .unwrap();
        let archive = Archive { pool: self.rig.pool().clone(), blob: self.blob.clone() };
        let mut letters = archive.read(&ids).await.unwrap();
        let letters = ids.iter().map(|id| letters.remove(id).unwrap().unwrap());
        letters.map(|letter| (letter.record.payload.encoding.clone(), letter.payload)).collect()
    }

    /// It is kept like this, before and after it was shipped, and after it was tried again.
    async fn assert_kept(&self, encodings: &[&str], payload: &Bytes) {
        for round in ["in the database", "shipped", "tried again", "shipped again"] {
            match round {
                "tried again" => assert_eq!(self.replay_all().await.rejected, encodings.len() as u64),
                "in the database" => {}
                _ => self.ship().await,
            }
            let expected: Vec<_> =
                encodings.iter().map(|encoding| (encoding.to_string(), Ok(payload.clone()))).collect();
            assert_eq!(self.kept().await, expected, "{round}");
        }
        self.rig.assert_accounts_agree().await;
    }
}

#[tokio::test]
async fn text_and_bytes() {
    for (encoding, payload) in [("utf8", "{\"id_\": \u{0}\"ü".as_bytes()), ("base64", b"{\"id_\": \"\xff\xfe\"}")] {
        let desk = Desk::new().await;
        desk.rig.words([payload]).await;
        desk.assert_kept(&[encoding], &Bytes::from_static(payload)).await;
    }
}

#[tokio::test]
async fn too_large_payloads_in_an_object_of_their_own() {
    let desk = Desk::new().await;
    let payload = Bytes::from(vec![b' '; (1 << 20) + 1]);
    desk.rig.words([payload.clone()]).await;
    desk.assert_kept(&["object"], &payload).await;
    // With a higher limit it is looked into.
    let mut replay = desk.replay();
    replay.pipeline.max_event_bytes = 2 << 20;
    assert_eq!(super::sum(&replay.run(&Filter::open(), |_| {}).await.unwrap()).rejected, 1);
    let reason: String =
        sqlx::query_scalar("SELECT reason FROM dead_letters").fetch_one(desk.rig.pool()).await.unwrap();
    assert_eq!(reason, "decode");
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn payloads_that_another_letter_of_the_message_keeps() {
    let desk = Desk::new().await;
    let wrong =
        json!({"event_type": "custom_event", "data": {"custom_event_type": "navigation", "event_name": "product"}});
    let message = Bytes::from(crate::support::views::batch(&[wrong.clone(), wrong]).to_string());
    desk.rig.words_as("product_view", [message.clone()]).await;
    desk.assert_kept(&["utf8", "dead_letter"], &message).await;
}

#[tokio::test]
async fn bare_records_know_where_they_came_from() {
    let desk = Desk::new().await;
    let picky = "ALTER TABLE dead_letter_outbox ADD CHECK (position('picky'::bytea IN record) = 0)";
    sqlx::query(picky).execute(desk.rig.pool()).await.unwrap();
    let payload = Bytes::from(purchase_with(Uuid::now_v7(), "timestamp", json!("picky")).to_string());
    let (delivery, reply) = delivery(payload.clone());
    let id = delivery.id.clone();
    desk.rig.decide(vec![(delivery, reply)]).await;
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_all(desk.rig.pool()).await.unwrap();
    let archive = Archive { pool: desk.rig.pool().clone(), blob: desk.blob.clone() };
    let letter = archive.read(&ids).await.unwrap().remove(&ids[0]).unwrap().unwrap();
    assert_eq!(letter.record.delivery().unwrap().0, id);
    assert_eq!(letter.payload, Ok(payload));
    sqlx::query("ALTER TABLE dead_letter_outbox DROP CONSTRAINT dead_letter_outbox_record_check")
        .execute(desk.rig.pool())
        .await
        .unwrap();
    assert_eq!(desk.replay_all().await.rejected, 1);
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_was_changed_or_lost_in_the_folder_is_said_and_left_open() {
    let desk = Desk::on(Rig::new().await);
    desk.rig.words(["{}"]).await;
    desk.ship().await;
    let object: String =
        sqlx::query_scalar("SELECT object FROM dead_letter_segments").fetch_one(desk.rig.pool()).await.unwrap();
    let path = desk.folder.path().join(&object);
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("\"data\":\"{}\"", "\"data\":\"[]\"")).unwrap();
    assert_eq!(desk.kept().await, [("utf8".to_owned(), Err(Unreadable::Altered))]);
    std::fs::remove_file(&path).unwrap();
    let replayed = desk.replay().run(&Filter::open(), |_| {}).await.unwrap();
    assert_eq!(replayed.unreadable.into_values().collect::<Vec<_>>(), [Unreadable::Gone(object)]);
    assert_eq!(desk.letter().await.1, "open");
    std::fs::write(&path, good).unwrap();
    assert_eq!(desk.replay_all().await.rejected, 1);
}
