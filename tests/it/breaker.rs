//! A flood of rejections is held, and does not drain the topic. Each test ends in exact accounting.

mod guarded;

use std::process::Command;

use crate::support::process::Worker;
use crate::support::stack::{Stack, eventually};

const LETTERS: &str = "SELECT count(*) FROM dead_letters";
const DECIDED: &str = "SELECT coalesce(sum(received), 0)::bigint FROM batches";
/// What workers hold, once they have judged it again.
const HELD: &str = "SELECT coalesce(sum(events), 0)::bigint FROM breaker_reports";

impl Stack {
    /// What `purser breaker …` prints.
    fn breaker(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.env("DATABASE_URL", &self.rig.url).arg("breaker").args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn empty_users(&self, keep: i64) {
        sqlx::query("CREATE TABLE kept AS TABLE users").execute(self.rig.pool()).await.unwrap();
        let delete = sqlx::query("DELETE FROM users WHERE id NOT IN (SELECT id FROM users ORDER BY id LIMIT $1)");
        delete.bind(keep).execute(self.rig.pool()).await.unwrap();
    }

    async fn restore_users(&self) {
        let restore = sqlx::query("INSERT INTO users TABLE kept ON CONFLICT DO NOTHING");
        restore.execute(self.rig.pool()).await.unwrap();
    }
}

async fn opens(worker: &Worker, because: &str) {
    let open = format!("purchase: open: {because}");
    eventually(&open, async || worker.readiness("breaker").await.starts_with(&open)).await;
}

async fn closes(worker: &Worker) {
    eventually("the breaker closes", async || worker.readiness("breaker").await == "closed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_held_until_somebody_forces_it_through() {
    let mut stack = Stack::new().await;
    let worker = stack.worker_with(&["--breaker-window-seconds=3"]).await;
    closes(&worker).await;
    stack.publish_broken(1000).await;
    opens(&worker, "").await;
    assert!(worker.readiness("breaker").await.ends_with("events were rejected, more than 50 %"));
    stack.publish_good(100).await;
    eventually("what is held was judged again", async || stack.rig.number(HELD).await > 0).await;
    let letters = stack.rig.number(LETTERS).await;
    assert!(letters < 200, "{letters} dead letters");
    assert_eq!(stack.stored().await, 0, "good ones wait too");
    eventually("what was decided is acknowledged", async || stack.pubsub.stats().acked == letters as u64).await;
    let listed = stack.breaker(&[]);
    assert!(listed.contains("purchase      open since") && listed.contains("of them would be rejected"), "{listed}");
    assert!(listed.contains("order         closed"), "{listed}");

    assert!(stack.breaker(&["force", "purchase", "--because", "they are lost anyway"]).contains("lost anyway"));
    closes(&worker).await;
    stack.acknowledged().await;
    eventually("forcing ends by itself", async || stack.breaker(&[]).contains("closed since")).await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert_eq!((accounts.rejected, accounts.stored, accounts.duplicate), (1000, 100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_forget_and_other_workers_know() {
    let mut stack = Stack::new().await;
    let mut child = stack.child().await;
    let other = stack.worker().await;
    closes(&other).await;
    stack.publish_broken(1000).await;
    opens(&other, "").await;
    child.kill().unwrap();
    child.wait().unwrap();
    other.stop().await;
    // Each of two workers may have had its minimum.
    let letters = stack.rig.number(LETTERS).await;
    assert!(letters < 400, "{letters} dead letters");

    let decided = stack.rig.number(DECIDED).await;
    let workers = [stack.worker().await, stack.worker().await];
    for worker in &workers {
        opens(worker, "").await;
    }
    let reported = "SELECT count(*) FROM breaker_reports WHERE reported_at > now() - interval '5 seconds'";
    // One of them may have got everything.
    eventually("it is held again", async || stack.rig.number(reported).await > 0).await;
    assert_eq!(stack.rig.number(DECIDED).await, decided, "nothing passes");
    stack.breaker(&["force", "purchase", "--minutes=5"]);
    stack.acknowledged().await;
    for worker in workers {
        closes(&worker).await;
        worker.stop().await;
    }
    assert!(stack.breaker(&[]).contains("until 20"), "a set time is not cut short");
    assert_eq!(stack.assert_exact().await.rejected, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_table_is_the_fault_of_no_event() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    closes(&worker).await;
    stack.empty_users(0).await;
    stack.publish_good(3).await;
    opens(&worker, "users is empty").await;
    stack.publish_good(200).await;
    eventually("they are judged again", async || stack.rig.number(HELD).await > 3).await;
    // As when they are held longer than their lease.
    stack.pubsub.faults().redeliver_outstanding();
    worker.stop().await;
    assert_eq!((stack.rig.number(DECIDED).await, stack.pubsub.stats().acked), (0, 0));

    let worker = stack.worker().await;
    opens(&worker, "users is empty").await;
    stack.pubsub.faults().redeliver_outstanding();
    stack.restore_users().await;
    closes(&worker).await;
    stack.acknowledged().await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert_eq!((accounts.stored, accounts.rejected), (203, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_lost_most_of_its_rows_is_too() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    let counted = "SELECT count(*) FROM reference_sizes WHERE reference_table = 'users' AND rows = 50";
    eventually("users are counted", async || stack.rig.number(counted).await == 1).await;
    stack.empty_users(10).await;
    stack.publish_good(40).await;
    opens(&worker, "users holds 10 rows, and held 50").await;
    assert_eq!(stack.rig.number(LETTERS).await, 0);
    stack.restore_users().await;
    closes(&worker).await;
    stack.acknowledged().await;
    worker.stop().await;
    assert_eq!(stack.assert_exact().await.stored, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forcing_takes_a_table_to_be_right_as_it_is() {
    let mut stack = Stack::new().await;
    let worker = stack.worker_with(&["--breaker-window-seconds=1"]).await;
    closes(&worker).await;
    stack.empty_users(0).await;
    stack.publish(20).await;
    opens(&worker, "users is empty").await;
    stack.breaker(&["force", "purchase"]);
    stack.acknowledged().await;
    eventually("forcing ends by itself", async || stack.breaker(&[]).contains("closed since")).await;
    closes(&worker).await;
    stack.publish(20).await;
    stack.acknowledged().await;
    assert_eq!(worker.readiness("breaker").await, "closed");
    worker.stop().await;
    assert_eq!(stack.rig.assert_accounts_agree().await.rejected, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_and_what_is_little_does_not_count() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    stack.publish_broken(190).await;
    stack.acknowledged().await;
    for _ in 0..3 {
        stack.publish_again(190).await;
    }
    stack.acknowledged().await;
    closes(&worker).await;
    stack.publish_broken(100).await;
    opens(&worker, "").await;
    stack.breaker(&["force", "purchase"]);
    stack.acknowledged().await;
    worker.stop().await;
    let accounts = stack.assert_exact().await;
    assert_eq!((accounts.rejected, accounts.duplicate), (290, 570));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_may_hold_a_kind_and_let_it_go() {
    let mut stack = Stack::new().await;
    let worker = stack.worker().await;
    closes(&worker).await;
    stack.breaker(&["hold", "purchase", "--because", "maintenance"]);
    opens(&worker, "maintenance").await;
    stack.publish_good(60).await;
    eventually("they are judged again", async || stack.rig.number(HELD).await > 0).await;
    assert_eq!(stack.rig.number(DECIDED).await, 0);
    stack.breaker(&["resume", "purchase"]);
    stack.acknowledged().await;
    closes(&worker).await;
    worker.stop().await;
    assert_eq!(stack.assert_exact().await.stored, 60);
}
