//! What the tests share: a migrated database with a history in a folder, and all views of both.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use datafusion::arrow::array::{Array, AsArray as _, RecordBatch};
use futures::TryStreamExt as _;
use private_postgres::testing::{TestDatabase, database_with};
use purser::database;
use purser::intake::files::Reporter;
use purser::shutdown::Shutdown;
use purser_history::catalog::{COLUMNS, File};
use purser_history::merging::merge_small;
use purser_history::moving::move_older;
use purser_history::reading::{Reader, ids, times};
use purser_history::store::Store;
use purser_history::views::schema;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use uuid::Uuid;

/// The first of the days that tests are about.
pub const FIRST: &str = "2016-01-03";

pub struct House {
    pub pool: PgPool,
    pub url: String,
    pub store: Store,
    pub folder: TempDir,
    _database: TestDatabase,
}

impl House {
    pub async fn new() -> House {
        let database = database_with("history", |url| async move {
            let pool = database::connect(&url, 2)?;
            database::migrate(&pool).await?;
            pool.close().await;
            anyhow::Ok(())
        });
        let database = database.await;
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let url = database.url().to_owned();
        House { pool: database::connect(&url, 10).unwrap(), url, store, folder, _database: database }
    }

    /// Puts so many views of a day into the table, spread over all of it, of a few products.
    pub async fn insert(&self, day: i64, platform: &str, views: i64) {
        let insert = "INSERT INTO product_views (id, occurred_at, received_at, platform, product, mpid, session_id, event_id)
             SELECT gen_random_uuid(), $1::timestamptz + (n * 7919 % $3) * (interval '86399.999999 seconds' / $3), now(), $2,
                    'product ' || n % 23, nullif(n % 11, 0)::text, 'session ' || n, nullif(n % 3, 0)::text
             FROM generate_series(1, $3) AS n";
        sqlx::query(insert).bind(midnight(day)).bind(platform).bind(views).execute(&self.pool).await.unwrap();
    }

    /// Does something to the database by hand.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// One number of the database.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// Moves what is from before this day.
    pub async fn do_move(&self, before: i64) -> anyhow::Result<u64> {
        move_older(&self.pool, &self.store, midnight(before), &Shutdown::default(), &Counted::default()).await
    }

    pub async fn merge(&self) -> anyhow::Result<u64> {
        merge_small(&self.pool, &self.store, &Shutdown::default(), &Counted::default()).await
    }

    /// The files that count.
    pub async fn files(&self) -> Vec<File> {
        let select =
            format!("SELECT {COLUMNS} FROM history_files WHERE removed_at IS NULL ORDER BY day, platform, path");
        sqlx::query_as(AssertSqlSafe(select)).fetch_all(&self.pool).await.unwrap()
    }

    /// Writes a view of each line, in order, as it stands in a file; what the catalog says of it is true.
    pub async fn lines(&self, file: &File) -> Vec<String> {
        let columns: Vec<&str> = COLUMNS_OF_VIEWS.to_vec();
        let read = Reader::open(&self.store).unwrap().read(file, &columns).await.unwrap();
        let batches: Vec<RecordBatch> = read.try_collect().await.unwrap();
        let xor = batches.iter().flat_map(|rows| ids(rows).unwrap()).fold(0, |all, id| all ^ id);
        let all: Vec<i64> = batches.iter().flat_map(|rows| times(rows, "occurred_at").unwrap().to_vec()).collect();
        let lines: Vec<String> = batches.iter().flat_map(lines).collect();
        let first_and_last = (file.first_at.timestamp_micros(), file.last_at.timestamp_micros());
        assert_eq!((*all.iter().min().unwrap(), *all.iter().max().unwrap()), first_and_last);
        assert_eq!((lines.len() as i64, Uuid::from_u128(xor)), (file.rows, file.ids));
        lines
    }

    /// All views of the table and of the files that count, in one order.
    pub async fn everything(&self) -> Vec<String> {
        let select = "SELECT concat_ws('|', id, (extract(epoch FROM occurred_at) * 1000000)::int8,
                          (extract(epoch FROM received_at) * 1000000)::int8, platform, product, coalesce(mpid, '-'),
                          coalesce(session_id, '-'), coalesce(event_id, '-')) FROM product_views";
        let mut all: Vec<String> = sqlx::query_scalar(select).fetch_all(&self.pool).await.unwrap();
        for file in self.files().await {
            all.extend(self.lines(&file).await);
        }
        all.sort_unstable();
        all
    }
}

const COLUMNS_OF_VIEWS: [&str; 8] =
    ["id", "occurred_at", "received_at", "platform", "product", "mpid", "session_id", "event_id"];

/// The views of a file, each as the table would write it.
fn lines(rows: &RecordBatch) -> Vec<String> {
    assert_eq!(rows.schema().fields(), schema().fields());
    let [occurred_at, received_at] = ["occurred_at", "received_at"].map(|column| times(rows, column).unwrap());
    let text = |column: &str, row: usize| {
        let texts = rows.column_by_name(column).unwrap().as_string::<i32>();
        if texts.is_null(row) { "-".to_owned() } else { texts.value(row).to_owned() }
    };
    let ids: Vec<Uuid> = ids(rows).unwrap().map(Uuid::from_u128).collect();
    let line = |row: usize| {
        let texts = ["platform", "product", "mpid", "session_id", "event_id"].map(|column| text(column, row));
        format!("{}|{}|{}|{}", ids[row], occurred_at[row], received_at[row], texts.join("|"))
    };
    (0..rows.num_rows()).map(line).collect()
}

/// The midnight with which a day begins, so many after the first.
pub fn midnight(day: i64) -> DateTime<Utc> {
    let first: NaiveDate = FIRST.parse().unwrap();
    first.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(day)
}

/// Counts what it is told.
#[derive(Default)]
pub struct Counted {
    pub found: AtomicU64,
    pub decided: AtomicU64,
}

impl Reporter for Counted {
    fn notice(&self, _: &str) {}

    fn found(&self, records: u64) {
        self.found.fetch_add(records, Ordering::Relaxed);
    }

    fn decided(&self, records: u64) {
        self.decided.fetch_add(records, Ordering::Relaxed);
    }
}

/// Stops whoever reports to it as soon as something is done.
pub struct Stopping(pub Shutdown);

impl Reporter for Stopping {
    fn notice(&self, _: &str) {}

    fn found(&self, _: u64) {}

    fn decided(&self, _: u64) {
        self.0.stop();
    }
}
