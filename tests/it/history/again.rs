//! A view that was moved comes again: it is a duplicate.

use futures::future::join_all;
use google_cloud_pubsub::model::Message;

use super::{deliver, long_ago, move_out};
use crate::support::stack::{Stack, eventually};
use crate::support::views::{batch, view};
use crate::support::{Accounts, Rig};

const VIEWS: &str = "SELECT count(*) FROM product_views";
/// Sessions that wait for somebody else's transaction.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test]
async fn what_was_moved_is_a_duplicate_and_what_was_not_is_stored() {
    let rig = Rig::new().await;
    let at = long_ago();
    assert_eq!(deliver(&rig, "a", &["1", "2"], at).await, "stored, stored");
    move_out(&mut rig.pool().acquire().await.unwrap(), "1", "one").await;
    assert_eq!(rig.number(VIEWS).await, 1);
    for _ in 0..2 {
        // Of a message that is the same, of one that says something else, and beside a view that is new.
        assert_eq!(deliver(&rig, "a", &["1", "2"], at).await, "duplicate, duplicate");
        assert_eq!(deliver(&rig, "a", &["other"], at).await, "duplicate");
    }
    assert_eq!(deliver(&rig, "a", &["1", "2", "3"], at).await, "duplicate, duplicate, stored");
    assert_eq!(deliver(&rig, "b", &["1"], at).await, "stored", "another message is another view");
    assert_eq!(rig.number(VIEWS).await, 3);
    let accounts = rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 4, duplicate: 8, rejected: 0, ignored: 0 });
}

/// Both ways of inserting wait: the one for batches that are all new, and the one for those where a key is taken.
#[tokio::test]
async fn a_view_that_comes_again_while_it_is_moved_waits_and_is_a_duplicate() {
    let rig = Rig::new().await;
    let at = long_ago();
    assert_eq!(deliver(&rig, "a", &["moved"], at).await, "stored");
    assert_eq!(deliver(&rig, "b", &["stays", "moved"], at).await, "stored, stored");
    let mut mover = rig.pool().begin().await.unwrap();
    move_out(&mut mover, "moved", "one").await;
    let workers = [Rig::on(&rig.url), Rig::on(&rig.url)];
    let again =
        join_all([deliver(&workers[0], "a", &["moved"], at), deliver(&workers[1], "b", &["stays", "moved"], at)]);
    let moved = async {
        eventually("both wait for the mover", async || rig.number(WAITING).await == 2).await;
        mover.commit().await.unwrap();
    };
    let (words, ()) = tokio::join!(again, moved);
    assert_eq!(words, ["duplicate", "duplicate, duplicate"]);
    assert_eq!(rig.number(VIEWS).await, 1);
    let accounts = rig.assert_accounts_agree().await;
    assert_eq!(accounts, Accounts { stored: 3, duplicate: 3, rejected: 0, ignored: 0 });
}

#[tokio::test]
async fn a_move_that_came_to_nothing_leaves_the_view_where_it_was() {
    let rig = Rig::new().await;
    let at = long_ago();
    assert_eq!(deliver(&rig, "a", &["1"], at).await, "stored");
    let mut mover = rig.pool().begin().await.unwrap();
    move_out(&mut mover, "1", "one").await;
    let worker = Rig::on(&rig.url);
    let undone = async {
        eventually("it waits for the mover", async || rig.number(WAITING).await == 1).await;
        mover.rollback().await.unwrap();
    };
    let (word, ()) = tokio::join!(deliver(&worker, "a", &["1"], at), undone);
    assert_eq!(word, "duplicate");
    assert_eq!(rig.number(VIEWS).await, 1);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_message_of_pubsub_that_comes_again_is_acknowledged_and_counted_as_a_duplicate() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    let message = || {
        let payload = batch(&[view("1", 1.5e12)]).to_string();
        Message::new().set_data(payload).set_attributes([("platform", "iOS"), ("idempotency_key", "one")])
    };
    stack.post.publish_message("product-views", message()).await;
    let rig = Rig::on(&stack.rig.url);
    eventually("it is stored", async || rig.number(VIEWS).await == 1).await;
    move_out(&mut rig.pool().acquire().await.unwrap(), "1", "one").await;
    stack.post.publish_message("product-views", message()).await;
    let duplicates = "SELECT coalesce(sum(duplicate), 0)::int8 FROM batches";
    eventually("it is a duplicate", async || rig.number(duplicates).await == 1).await;
    worker.stop().await;
    assert_eq!(rig.number(VIEWS).await, 0);
    rig.assert_accounts_agree().await;
}
