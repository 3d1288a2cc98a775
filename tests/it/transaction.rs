//! The transaction of a batch against what Postgres may say, and against others that write at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use purser::blob::Blob;
use purser::database;
use purser::dead_letters::Shipper;
use purser::health::Health;
use purser::telemetry::{Dependency, Metrics};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::clicks::click;
use crate::support::letters::lines_below;
use crate::support::shop::{article, purchase, purchase_with, user};
use crate::support::stack::eventually;
use crate::support::views::{batch, view};
use crate::support::{Accounts, Rig, delivery, stocked_database};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x4000_0000_0000_4000_8000_0000_0000_0000 + number)
}

async fn run(rig: &Rig, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(rig.pool()).await.unwrap();
}

/// Has a table refuse every new row with this SQLSTATE, so many times.
async fn refuse(rig: &Rig, table: &str, state: &str, times: u32) {
    let sql = format!(
        "CREATE SEQUENCE refusals;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('refusals') <= {times} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();"
    );
    run(rig, &sql).await;
}

/// A purchase by user 1, of which it is known by now that there is one.
fn bought(number: u128) -> String {
    purchase(id(number)).to_string()
}

#[tokio::test]
async fn what_postgres_asks_to_repeat_is_repeated() {
    for state in ["40001", "40P01"] {
        let rig = Rig::new().await;
        refuse(&rig, "purchases", state, 3).await;
        assert_eq!(rig.words([bought(1)]).await, ["stored"], "{state}");
        assert_eq!(rig.assert_accounts_agree().await.rejected, 0);
    }
}

#[tokio::test]
async fn only_what_is_said_of_a_row_is_its_fault() {
    for state in ["22003", "23514", "54000"] {
        let rig = Rig::new().await;
        refuse(&rig, "purchases", state, u32::MAX).await;
        assert_eq!(rig.words([bought(1)]).await, ["database"], "{state}");
    }
    for state in ["42501", "53100", "XX000", "P0001"] {
        let rig = Rig::new().await;
        refuse(&rig, "purchases", state, 2).await;
        assert_eq!(rig.words([bought(1)]).await, ["stored"], "{state} is waited for");
        assert_eq!(rig.assert_accounts_agree().await.rejected, 0);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_sum_or_the_ledger_is_the_fault_of_no_event() {
    for table in ["sales_by_state", "sales_over_time", "batches"] {
        let rig = Rig::new().await;
        run(&rig, &format!("ALTER TABLE {table} ADD CONSTRAINT wrong CHECK (false)")).await;
        let mended = async {
            eventually("the batch is held", async || rig.pipeline.metrics.holding(Dependency::Postgres) > 0).await;
            run(&rig, &format!("ALTER TABLE {table} DROP CONSTRAINT wrong")).await;
        };
        let (words, ()) = tokio::join!(rig.words([bought(1), bought(2)]), mended);
        assert_eq!(words, ["stored", "stored"], "{table}");
        assert_eq!(rig.assert_accounts_agree().await.rejected, 0);
    }
}

#[tokio::test]
async fn a_batch_that_was_cut_is_several_in_the_ledger_and_each_is_whole() {
    let rig = Rig::new().await;
    run(&rig, "ALTER TABLE purchase_items ADD CHECK (quantity <> 13)").await;
    let payload = |number| {
        let quantity = if number == 5 { 13 } else { 1 };
        purchase_with(id(number), "cart", json!([{"article_id": article(1), "quantity": quantity}])).to_string()
    };
    rig.words((0..16).map(payload)).await;
    let batches: Vec<(i32, i32)> =
        sqlx::query_as("SELECT stored, rejected FROM batches").fetch_all(rig.pool()).await.unwrap();
    assert!(batches.len() > 1 && batches.contains(&(0, 1)), "{batches:?}");
    assert!(batches.iter().all(|(stored, rejected)| *stored == 0 || *rejected == 0), "{batches:?}");
    assert_eq!(rig.assert_accounts_agree().await, Accounts { stored: 15, duplicate: 0, rejected: 1, ignored: 0 });
}

#[tokio::test]
async fn a_message_is_settled_once_when_all_of_its_events_are_decided() {
    let rig = Rig::new().await;
    run(&rig, "ALTER TABLE product_views ADD CHECK (product <> 'refused')").await;
    let millis = 1_454_328_000_000.0;
    let views = ["1", "refused", "2", "3"].map(|product| view(product, millis));
    let (mut message, told) = delivery(batch(&views).to_string().into());
    if let purser::intake::Origin::PubSub { attributes, .. } = &mut message.origin {
        *attributes = std::collections::BTreeMap::from([("platform".to_owned(), "iOS".to_owned())]);
    }
    let outcomes = rig.decide_as("product_view", vec![(message, told)]).await;
    assert_eq!(crate::support::word(&outcomes[0]), "stored, database, stored, stored");
    assert!(rig.number("SELECT count(*) FROM batches").await > 1, "the batch was cut");
    rig.assert_accounts_agree().await;
}

/// Writers whose batches overlap in every order wait for each other and never in a circle.
#[tokio::test]
async fn nobody_waits_in_a_circle() {
    let database = stocked_database().await;
    let rig = Rig::on(database.url());
    let writers = (0..6).map(async |writer: u64| {
        let rig = Rig::on(&rig.url);
        let mut random = StdRng::seed_from_u64(writer);
        for _ in 0..6 {
            let mut numbers: Vec<u128> = (0..60).collect();
            numbers.shuffle(&mut random);
            let purchases = numbers.iter().map(|number| {
                let other =
                    purchase_with(id(*number), "timestamp", json!(format!("2026-01-{:02}T00:00:00Z", 1 + number % 28)));
                if number % 9 == 0 { format!("[{number}]") } else { other.to_string() }
            });
            rig.words(purchases).await;
            let clicks = numbers.iter().map(|number| {
                let customer = format!("c{}", number % 5);
                click(number.to_string(), Some(&customer), i64::try_from(*number).unwrap() * 7).to_string()
            });
            rig.words_as("click_event", clicks).await;
            let seen = numbers.iter().map(|number| {
                let (user, version) = (format!("u{}", number % 11), format!("v{}", number % 3));
                json!({"user_id": user, "account_type": "free", "date": "2026-01-07", "version": version}).to_string()
            });
            rig.words_as("ab_event", seen).await;
        }
        // Only when a connection has ended is what it counted sure to be seen.
        rig.pool().close().await;
    });
    futures::future::join_all(writers).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(rig.number(deadlocks).await, 0);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_transaction_counts_in_the_first_shard_that_nobody_writes_to() {
    let rig = Rig::new().await;
    let mut others = rig.pool().begin().await.unwrap();
    let take = "SELECT pg_advisory_xact_lock(1886745203, shard) FROM generate_series(0, $1) AS shard";
    let shards = "SELECT array_agg(DISTINCT shard)::text FROM sales_over_time";
    sqlx::query(take).bind(2).execute(&mut *others).await.unwrap();
    rig.words([bought(1)]).await;
    let taken: String = sqlx::query_scalar(shards).fetch_one(rig.pool()).await.unwrap();
    assert_eq!(taken, "{3}");
    sqlx::query(take).bind(15).execute(&mut *others).await.unwrap();
    assert_eq!(rig.words([bought(2)]).await, ["stored"], "when all are taken, one is shared");
    others.rollback().await.unwrap();
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_session_is_bounded_in_whatever_it_waits_for() {
    let database = stocked_database().await;
    let pool = database::connect(database.url(), 1).unwrap();
    let settings = [
        ("transaction_isolation", "read committed"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("lock_timeout", "10s"),
        ("statement_timeout", "30s"),
    ];
    for (name, expected) in settings {
        let show = sqlx::query_scalar(AssertSqlSafe(format!("SHOW {name}")));
        let value: String = show.fetch_one(&pool).await.unwrap();
        assert_eq!(value, expected, "{name}");
    }
}

#[tokio::test]
async fn what_was_copied_stays_and_is_no_content() {
    let rig = Rig::new().await;
    assert_eq!(rig.words([bought(1)]).await, ["stored"]);
    let sales = "SELECT jsonb_agg(to_jsonb(sales) ORDER BY line)::text FROM sales";
    let before: String = sqlx::query_scalar(sales).fetch_one(rig.pool()).await.unwrap();
    run(
        &rig,
        "UPDATE articles SET price = 1, name = 'Other', currency = 'NOK'; UPDATE users SET address = 'Reno, NV 89501'",
    )
    .await;
    let later = Rig::on(&rig.url);
    assert_eq!(later.words([bought(1)]).await, ["duplicate"], "the state and the prices are no content");
    let after: String = sqlx::query_scalar(sales).fetch_one(rig.pool()).await.unwrap();
    assert_eq!(after, before);
    rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_row_that_goes_after_it_was_seen_is_accepted() {
    let rig = Rig::new().await;
    assert_eq!(rig.words([bought(1)]).await, ["stored"]);
    sqlx::query("DELETE FROM users WHERE id = $1").bind(user(1)).execute(rig.pool()).await.unwrap();
    assert_eq!(rig.words([bought(2)]).await, ["stored"]);
    assert_eq!(Rig::on(&rig.url).words([bought(3)]).await, ["reference"], "who has not seen it asks");
}

fn shipper(rig: &Rig, folder: &tempfile::TempDir) -> Shipper {
    let blob = Blob::open(folder.path().to_str().unwrap()).unwrap();
    Shipper { pool: rig.pool().clone(), blob, health: Health::default(), metrics: Arc::new(Metrics::default()) }
}

#[tokio::test]
async fn several_shippers_write_each_dead_letter_once() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let shippers = [shipper(&rig, &folder), shipper(&rig, &folder), shipper(&rig, &folder)];
    for round in 0..5 {
        rig.words((0..40).map(|number| format!("{round} {number}"))).await;
        let shipped = futures::future::join_all(shippers.iter().map(Shipper::ship)).await;
        assert!(shipped.iter().all(Result::is_ok), "{shipped:?}");
    }
    let lines = lines_below(folder.path());
    assert_eq!((lines.len(), lines.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    assert_eq!(rig.number("SELECT count(*) FROM dead_letter_outbox").await, 0);
    rig.assert_verified(Some(shippers[0].blob.clone())).await;
}

/// Somebody who began earlier and commits later is not passed over.
#[tokio::test]
async fn what_commits_late_is_shipped_all_the_same() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    rig.words(["early"]).await;
    let mut late = rig.pool().begin().await.unwrap();
    let taken = "DELETE FROM dead_letter_outbox RETURNING entry, letter, attempt, folder, record";
    let (entry, letter, attempt, within, record): (Uuid, Uuid, i32, String, Vec<u8>) =
        sqlx::query_as(taken).fetch_one(&mut *late).await.unwrap();
    let again = "INSERT INTO dead_letter_outbox (entry, letter, attempt, folder, record) VALUES ($1, $2, $3, $4, $5)";
    let again = sqlx::query(again).bind(entry).bind(letter).bind(attempt).bind(within).bind(record);
    again.execute(&mut *late).await.unwrap();
    rig.words(["later"]).await;
    let shipper = shipper(&rig, &folder);
    assert_eq!(shipper.ship().await.unwrap(), 1, "the other has not committed");
    late.commit().await.unwrap();
    assert_eq!(shipper.ship().await.unwrap(), 1);
    rig.assert_verified(Some(shipper.blob)).await;
}
