//! Dead letters that heal by themselves, in a worker.

use purser::dead_letters::heal_until_stopped;
use serde_json::json;
use uuid::Uuid;

use super::{Desk, early};
use crate::support::Rig;
use crate::support::shop::{article, purchase_with, user};
use crate::support::stack::eventually;

impl Desk {
    /// Heals until the desk is closed.
    fn heal(&self) -> tokio::task::JoinHandle<anyhow::Result<()>> {
        tokio::spawn(heal_until_stopped(purser::dead_letters::Replay {
            becomes: purser::dead_letters::Status::Healed,
            ..self.replay()
        }))
    }

    async fn healed(&self, number: i64) {
        eventually("they have healed", async || {
            self.rig.number("SELECT count(*) FROM dead_letters WHERE status = 'healed'").await == number
        })
        .await;
    }
}

#[tokio::test]
async fn a_row_inserted_by_hand_heals_everything_that_waited_for_it() {
    let desk = Desk::new().await;
    let buyer = user(9);
    let payloads: Vec<String> = (0..3000).map(|_| early(Uuid::now_v7(), buyer)).collect();
    let others: Vec<String> = (0..10).map(|number| early(Uuid::now_v7(), user(100 + number))).collect();
    desk.rig.words(payloads.into_iter().chain(others)).await;
    desk.ship().await;
    let healer = desk.heal();
    desk.add_user(buyer).await;
    desk.healed(3000).await;
    assert_eq!(desk.rig.number("SELECT count(*) FROM purchases").await, 3000);
    assert_eq!(desk.rig.number("SELECT count(*) FROM waiting").await, 10, "the others still wait");
    assert_eq!(desk.rig.number("SELECT max(attempt)::int8 FROM dead_letters").await, 1, "nobody was tried in vain");
    desk.rig.pipeline.shutdown.stop();
    healer.await.unwrap().unwrap();
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn it_waits_for_every_row_that_is_missing() {
    let desk = Desk::new().await;
    let mut purchase = purchase_with(Uuid::now_v7(), "user_id", json!(user(9)));
    purchase["cart"] = json!([{"article_id": article(9), "quantity": 1}, {"article_id": article(8), "quantity": 1}]);
    desk.rig.words([purchase.to_string()]).await;
    let healer = desk.heal();
    for (left, number) in [(2, 9), (1, 8)] {
        let insert = sqlx::query("INSERT INTO articles (id, name, price, currency) VALUES ($1, 'Late', 1, 'EUR')");
        insert.bind(article(number)).execute(desk.rig.pool()).await.unwrap();
        eventually("one less", async || desk.rig.number("SELECT count(*) FROM waiting").await == left).await;
    }
    assert_eq!(desk.letter().await.1, "open");
    desk.add_user(user(9)).await;
    desk.healed(1).await;
    assert_eq!(desk.letter().await.2, 1, "it was not tried before");
    desk.rig.pipeline.shutdown.stop();
    healer.await.unwrap().unwrap();
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_foreign_table_that_comes_back_heals_too() {
    let desk = Desk::new().await;
    desk.rig.words([early(Uuid::now_v7(), user(9))]).await;
    sqlx::raw_sql("DROP TABLE users").execute(desk.rig.pool()).await.unwrap();
    let healer = desk.heal();
    let theirs = "CREATE TABLE users (id varchar PRIMARY KEY, address varchar)";
    sqlx::raw_sql(theirs).execute(desk.rig.pool()).await.unwrap();
    let insert = sqlx::query("INSERT INTO users VALUES ($1, 'PSC 1\nAPO AE 09012')");
    insert.bind(user(9).to_string()).execute(desk.rig.pool()).await.unwrap();
    desk.healed(1).await;
    desk.rig.pipeline.shutdown.stop();
    healer.await.unwrap().unwrap();
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn what_a_killed_healer_had_made_ready_another_heals() {
    let desk = Desk::new().await;
    desk.rig.words((0..50).map(|_| early(Uuid::now_v7(), user(9)))).await;
    desk.add_user(user(9)).await;
    let healer = desk.heal();
    eventually("some are ready or healed", async || desk.rig.number("SELECT count(*) FROM waiting").await == 0).await;
    healer.abort();
    let second = Desk { rig: Rig::on(&desk.rig.url), folder: tempfile::tempdir().unwrap(), blob: desk.blob.clone() };
    let healer = second.heal();
    second.healed(50).await;
    second.rig.pipeline.shutdown.stop();
    healer.await.unwrap().unwrap();
    second.rig.assert_accounts_agree().await;
}
