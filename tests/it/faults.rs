//! What breaks around a worker, or the worker itself. Each test ends in exact accounting.

use std::time::Duration;

use pubsub_server::{Code, Rpc, RpcFault};
use purser::database;

use crate::support::stack::{Stack, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_breaks() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish(500).await;
    stack.acknowledged().await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert_eq!((accounts.stored + accounts.rejected, accounts.duplicate), (500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_is_killed_in_the_middle_of_batches() {
    let mut stack = Stack::new().await;
    for _ in 0..4 {
        let mut child = stack.child().await;
        let before = stack.stored().await;
        stack.publish(2000).await;
        eventually("some are stored", async || stack.stored().await > before).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let worker = stack.worker().await;
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_it_has_committed() {
    let mut stack = Stack::new().await;
    let mut child = stack.child().await;
    let mut blocking = stack.rig.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE").execute(&mut *blocking).await.unwrap();
    stack.publish(200).await;
    let blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'purchases'::regclass";
    eventually("batches are blocked", async || stack.rig.number(blocked).await == 3).await;
    // What must not happen can only be given time: the client sends acknowledgements every 100 ms.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stack.pubsub.stats().acked, 0);
    child.kill().unwrap();
    child.wait().unwrap();
    blocking.rollback().await.unwrap();
    let worker = stack.worker().await;
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_stopped_and_started() {
    let mut stack = Stack::with_own_postgres().await;
    let worker = stack.worker().await;
    for immediate in [false, true] {
        stack.publish(1000).await;
        let before = stack.stored().await;
        eventually("some are stored", async || stack.stored().await > before).await;
        match immediate {
            true => stack.postgres().stop_immediate().await.unwrap(),
            false => stack.postgres().stop().await.unwrap(),
        }
        stack.publish(500).await;
        stack.postgres().restart().await.unwrap();
    }
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_terminated_in_the_middle_of_commits() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish(3000).await;
    for _ in 0..20 {
        stack
            .rig
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'",
            )
            .await;
    }
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blob_folder_cannot_be_written() {
    let mut stack = Stack::new().await;
    // A file where the folder should be: unlike permissions, that stops root too.
    let in_the_way = stack.blob.path().join("dead-letter");
    std::fs::write(&in_the_way, "").unwrap();
    let worker = stack.worker().await;
    stack.publish(300).await;
    stack.acknowledged().await;
    eventually("shipping has failed", async || worker.readiness("blob").await.starts_with("dead letters: wait")).await;
    assert_eq!(worker.metric("purser_holding{dependency=\"blob\"}").await, 1.0);
    eventually("they are counted", async || worker.metric("purser_dead_letters_waiting").await > 0.0).await;
    let waiting = stack.rig.number("SELECT count(*) FROM dead_letter_outbox").await;
    assert_eq!(waiting, stack.rig.number("SELECT count(*) FROM dead_letters").await, "no payload is let go");
    std::fs::remove_file(in_the_way).unwrap();
    stack.shipped().await;
    eventually("nothing waits", async || worker.metric("purser_dead_letters_waiting").await == 0.0).await;
    assert_eq!(worker.metric("purser_holding{dependency=\"blob\"}").await, 0.0);
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_dropped_with_every_status() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    for code in [Code::Ok, Code::Unavailable, Code::Cancelled, Code::NotFound, Code::Internal] {
        stack.publish(200).await;
        stack.pubsub.faults().end_streams(code);
    }
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_freezes() {
    let mut stack = Stack::new().await;
    let worker = stack.worker_with(&["--pubsub-idle-seconds=2"]).await;
    stack.publish(300).await;
    stack.acknowledged().await;
    stack.pubsub.faults().freeze_connections();
    stack.pubsub.faults().unfreeze_new_connections();
    stack.publish_on_a_new_connection(300).await;
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pubsub_is_away_for_a_while() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish(1000).await;
    stack.pubsub.faults().refuse_connections();
    stack.pubsub.faults().cut_connections();
    let before = stack.stored().await;
    eventually("what was held is decided", async || stack.stored().await >= before).await;
    stack.pubsub.faults().accept_connections();
    stack.publish_on_a_new_connection(500).await;
    stack.acknowledged().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_are_lost_and_messages_duplicated() {
    let mut stack = Stack::new().await;
    let faults = stack.pubsub.faults();
    faults.rpc(Rpc::Acknowledge, 3, RpcFault::Ignore);
    faults.duplicate_every(7);
    let worker = stack.worker().await;
    for _ in 0..5 {
        stack.publish(400).await;
        stack.pubsub.faults().redeliver_outstanding();
    }
    stack.publish_again(200).await;
    stack.pubsub.faults().clear();
    stack.acknowledged().await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert!(accounts.duplicate >= 200, "the faults did something: {accounts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_a_subscription() {
    let mut stack = Stack::new().await;
    let workers = [stack.worker().await, stack.worker().await];
    stack.pubsub.faults().duplicate_every(2);
    stack.publish(2000).await;
    stack.acknowledged().await;
    for worker in workers {
        worker.stop().await;
    }
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_worker_does_not_block_the_one_that_gets_its_messages() {
    let mut stack = Stack::new().await;
    let mut frozen = stack.child().await;
    stack.publish(3000).await;
    eventually("some are stored", async || stack.stored().await > 0).await;
    frozen.signal("STOP");
    let worker = stack.worker().await;
    stack.publish(500).await;
    stack.acknowledged().await;
    frozen.signal("CONT");
    frozen.signal("TERM");
    frozen.ended().await;
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_frozen_in_the_middle_of_a_copy_is_ended() {
    let mut stack = Stack::new().await;
    stack.worker().await.stop().await;
    stack.publish(20).await;
    let frozen = database::connect(&stack.rig.url, 1).unwrap();
    let mut tx = frozen.begin().await.unwrap();
    let insert = "INSERT INTO purchases SELECT $1, now(), now(), $1, NULL, '', 1";
    sqlx::query(insert).bind(stack.a_good_one().0).execute(&mut *tx).await.unwrap();
    // Between the answer to this and its rows, there it stops.
    let copy = tx.copy_in_raw("COPY purchase_items FROM STDIN").await.unwrap();
    let worker = stack.worker().await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the worker waits for its key", async || stack.rig.number(waiting).await > 0).await;
    stack.acknowledged().await;
    assert!(copy.finish().await.is_err(), "its session is no more");
    worker.stop().await;
    stack.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soft_stop_acknowledges_everything_it_has_decided() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish(2000).await;
    eventually("some are stored", async || stack.stored().await > 0).await;
    worker.stop().await;
    let decided = stack.rig.number("SELECT sum(received) FROM batches").await;
    let left = stack.pubsub.stats().backlog + stack.pubsub.stats().outstanding;
    assert_eq!(decided as usize + left, 2000, "no acknowledgement was lost");
    let worker = stack.worker().await;
    stack.acknowledged().await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert_eq!(accounts.duplicate, 0, "nothing decided was delivered again");
}
