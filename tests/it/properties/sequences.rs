//! After any sequence of batches, duplicates, conflicts, replays and dismissals, with users and shoppers that come
//! and go: every sum, session and ledger is that of the rows.

use std::sync::Arc;

use proptest::prelude::*;
use purser::blob::Blob;
use purser::dead_letters::{Archive, Filter, Replay, Shipper, Status, close};
use purser::health::Health;
use purser::telemetry::Metrics;
use tempfile::TempDir;
use uuid::Uuid;

use super::{KINDS, Sent, config, decide, sent};
use crate::support::Rig;
use crate::support::shop::{article, user};

#[derive(Debug, Clone)]
enum Step {
    /// A batch of some kind.
    Batch(usize, Vec<Sent>),
    /// Everything that was rejected is tried again.
    Replay,
    /// A user who may be waited for appears, or goes.
    User(u8, bool),
    /// An article, the same.
    Article(bool),
    /// A shopper appears.
    Shopper(u8),
    /// Somebody dismisses whatever was rejected of a kind.
    Discard(usize),
    /// The shipper does a round.
    Ship,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..KINDS.len(), proptest::collection::vec(sent(), 1..12)).prop_map(|(kind, sent)| Step::Batch(kind, sent)),
        3 => Just(Step::Replay),
        2 => (5..7_u8, any::<bool>()).prop_map(|(user, there)| Step::User(user, there)),
        1 => any::<bool>().prop_map(Step::Article),
        1 => (0..4_u8).prop_map(Step::Shopper),
        1 => (0..KINDS.len()).prop_map(Step::Discard),
        1 => Just(Step::Ship),
    ];
    proptest::collection::vec(step, 1..14)
}

struct Books {
    rig: Rig,
    folder: TempDir,
}

impl Books {
    fn blob(&self) -> Blob {
        Blob::open(self.folder.path().to_str().unwrap()).unwrap()
    }

    async fn take(&self, step: &Step) {
        let pool = self.rig.pool();
        match step {
            Step::Batch(kind, sent) => drop(decide(&self.rig, KINDS[*kind], sent).await),
            Step::Replay => {
                let archive = Archive { pool: pool.clone(), blob: self.blob() };
                // Nothing is known from before users went.
                let pipeline = Rig::on(&self.rig.url).pipeline;
                let replay = Replay { pipeline, archive, becomes: Status::Replayed };
                drop(replay.run(&Filter::open(), |_| {}).await.unwrap());
            }
            Step::User(number, there) => {
                let sql = match there {
                    true => "INSERT INTO users (id, address) VALUES ($1, 'Reno, NV 89501') ON CONFLICT DO NOTHING",
                    false => "DELETE FROM users WHERE id = $1",
                };
                sqlx::query(sql).bind(user((*number).into())).execute(pool).await.unwrap();
            }
            Step::Article(there) => {
                let sql = match there {
                    true => "INSERT INTO articles (id, price, currency) VALUES ($1, 7, 'USD') ON CONFLICT DO NOTHING",
                    false => "DELETE FROM articles WHERE id = $1",
                };
                sqlx::query(sql).bind(article(4)).execute(pool).await.unwrap();
            }
            Step::Shopper(number) => {
                let sql = "INSERT INTO shoppers (user_id, country) VALUES ($1, 'DE') ON CONFLICT DO NOTHING";
                sqlx::query(sql).bind(format!("u{number}")).execute(pool).await.unwrap();
            }
            Step::Discard(kind) => {
                let open = "SELECT id FROM dead_letters WHERE kind = $1 AND status = 'open'";
                let open: Vec<Uuid> = sqlx::query_scalar(open).bind(KINDS[*kind]).fetch_all(pool).await.unwrap();
                let mut tx = pool.begin().await.unwrap();
                close(&mut tx, &open, Status::Discarded, Some("not wanted")).await.unwrap();
                tx.commit().await.unwrap();
            }
            Step::Ship => {
                let (health, metrics) = (Health::default(), Arc::new(Metrics::default()));
                let shipper = Shipper { pool: pool.clone(), blob: self.blob(), health, metrics };
                shipper.ship().await.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn the_books_balance_after_every_step(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let books = Books { rig: Rig::new().await, folder: tempfile::tempdir().unwrap() };
            for step in &steps {
                books.take(step).await;
                books.rig.assert_verified(Some(books.blob())).await;
            }
        });
    }
}
