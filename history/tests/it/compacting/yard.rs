//! A database with a history, a folder of files to read, and what became of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use private_postgres::testing::{TestDatabase, database_with};
use purser::database;
use purser::events::Kind;
use purser::intake::files::{Again, Ingestion, Reporter, Summary as Ingested, ingest, list};
use purser::pipeline::Pipeline;
use purser::pipeline::worker::BatchLimits;
use purser::shutdown::Shutdown;
use purser_history::compact::{Compaction, Limits, Summary, compact};
use purser_history::store::Store;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use uuid::Uuid;

/// Larger records are rejected.
pub const MAX_EVENT_BYTES: usize = 20_000;

pub struct Yard {
    pub pool: PgPool,
    pub url: String,
    pub folder: TempDir,
    pub limits: Limits,
    _database: TestDatabase,
}

/// What a run is watched by: told how many commits there were, it may stop it.
#[derive(Default)]
pub struct Said {
    pub notices: Mutex<Vec<String>>,
    commits: Mutex<u64>,
    watch: Mutex<Option<Watch>>,
}

type Watch = Box<dyn Fn(u64) + Send>;

impl Reporter for Said {
    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
    }

    fn found(&self, _records: u64) {}

    fn decided(&self, _records: u64) {
        let mut commits = self.commits.lock().unwrap();
        *commits += 1;
        if let Some(watch) = &*self.watch.lock().unwrap() {
            watch(*commits);
        }
    }
}

impl Said {
    /// Calls this after every commit.
    pub fn watched_by(watch: impl Fn(u64) + Send + 'static) -> Arc<Self> {
        Arc::new(Said { watch: Mutex::new(Some(Box::new(watch))), ..Said::default() })
    }
}

impl Yard {
    pub async fn new() -> Yard {
        let database = database_with("history", |url| async move {
            let pool = database::connect(&url, 2)?;
            database::migrate(&pool).await?;
            pool.close().await;
            anyhow::Ok(())
        });
        let (database, folder) = (database.await, TempDir::new().unwrap());
        let (pool, url) = (database::connect(database.url(), 10).unwrap(), database.url().to_owned());
        let limits = Limits { views: 100_000, letters: 50_000, kept: 64, judges: 3 };
        Yard { pool, url, folder, limits, _database: database }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("history")
    }

    pub fn compaction(&self, shutdown: &Shutdown, said: &Arc<Said>) -> Compaction {
        Compaction {
            pool: self.pool.clone(),
            store: Store::open(self.store().to_str().unwrap()).unwrap(),
            shutdown: shutdown.clone(),
            max_event_bytes: MAX_EVENT_BYTES,
            attributes: Arc::default(),
            limits: self.limits,
            reporter: Arc::clone(said) as _,
        }
    }

    /// Compacts what a path stands for.
    pub async fn compact(&self, path: &Path) -> Summary {
        self.compact_with(path, &Shutdown::default(), &Arc::default()).await.unwrap()
    }

    pub async fn compact_with(&self, path: &Path, shutdown: &Shutdown, said: &Arc<Said>) -> anyhow::Result<Summary> {
        let objects = list(path.to_str().unwrap()).await.unwrap();
        shutdown.unless_given_up(compact(&self.compaction(shutdown, said), objects)).await?
    }

    /// The same through the pipeline, into the table.
    pub async fn ingest(&self, path: &Path, again: Again) -> (Ingested, Vec<String>) {
        let (metrics, said) = (Arc::default(), Arc::<Said>::default());
        let pipeline = Pipeline::new(self.pool.clone(), metrics, Shutdown::default(), MAX_EVENT_BYTES);
        let ingestion = Ingestion { pipeline, limits: BatchLimits::default(), again, attributes: Arc::default() };
        let kind = Kind::named("product_view").unwrap();
        let objects = list(path.to_str().unwrap()).await.unwrap();
        let summary = ingest(*kind, &ingestion, objects, Arc::clone(&said) as Arc<dyn Reporter>).await.unwrap();
        let notices = said.notices.lock().unwrap().clone();
        (summary, notices)
    }

    /// The program, about to compact that.
    pub fn command(&self, path: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser-history"));
        command.env("DATABASE_URL", &self.url).env("RUST_LOG", "off").env_remove("BLOB_URL");
        command.arg("compact").arg(path).arg("--to").arg(self.store());
        command.arg(format!("--max-event-bytes={MAX_EVENT_BYTES}"));
        command
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// Copies when each content was seen first from where it was seen: rules about time compare with that.
    pub async fn seen_as_in(&self, other: &Yard) {
        type Seen = (Vec<u8>, String, chrono::DateTime<chrono::Utc>);
        let seen = sqlx::query_as("SELECT sha256, path, first_ingested_at FROM ingested_files");
        let seen: Vec<Seen> = seen.fetch_all(&other.pool).await.unwrap();
        for (sha256, path, at) in seen {
            let insert = "INSERT INTO ingested_files (kind, sha256, path, first_ingested_at, into_history)
                          VALUES ('product_view', $1, $2, $3, true)";
            sqlx::query(insert).bind(sha256).bind(path).bind(at).execute(&self.pool).await.unwrap();
        }
    }

    /// What is kept in the table, but for when it came, in the order of the ids.
    pub async fn table(&self) -> Vec<String> {
        let rows = "SELECT concat_ws('|', id, (extract(epoch FROM occurred_at) * 1000000)::int8, platform, product,
                                     coalesce(mpid, '-'), coalesce(session_id, '-'), coalesce(event_id, '-'))
                    FROM product_views ORDER BY id";
        sqlx::query_scalar(rows).fetch_all(&self.pool).await.unwrap()
    }

    /// What is kept in the files of the history, in the same way. The catalog says of each what it holds.
    pub async fn history(&self) -> Vec<String> {
        type Listed = (String, String, chrono::NaiveDate, i64, i64, Uuid);
        let files = "SELECT path, platform, day, rows, bytes, ids FROM history_files WHERE removed_at IS NULL";
        let files: Vec<Listed> = sqlx::query_as(files).fetch_all(&self.pool).await.unwrap();
        let mut all = Vec::new();
        for (path, platform, day, rows, bytes, ids) in files {
            let file = self.store().join(&path);
            assert_eq!(std::fs::metadata(&file).unwrap().len(), bytes.unsigned_abs());
            let lines = lines(&file, &platform, day, ids);
            assert_eq!(lines.len() as i64, rows);
            all.extend(lines);
        }
        all.sort_unstable();
        all
    }

    /// Files that are in the store and in no catalog.
    pub async fn orphans(&self) -> usize {
        let listed: Vec<String> =
            sqlx::query_scalar("SELECT path FROM history_files").fetch_all(&self.pool).await.unwrap();
        let there = list(self.store().to_str().unwrap()).await.unwrap_or_default();
        there.iter().filter(|object| object.name.ends_with(".parquet")).count() - listed.len()
    }

    /// All dead letters with their records, but for when they were written, and by whom.
    pub async fn letters(&self) -> BTreeMap<Uuid, (String, Value)> {
        let letters =
            "SELECT id, to_jsonb(dead_letters)::text, record FROM dead_letters JOIN dead_letter_outbox ON letter = id";
        let letters: Vec<(Uuid, String, Vec<u8>)> = sqlx::query_as(letters).fetch_all(&self.pool).await.unwrap();
        let plain = |mut value: Value| {
            for name in ["failed_at", "received_at", "processor", "reference", "changed_at"] {
                value.as_object_mut().unwrap().remove(name);
            }
            value
        };
        let letter = |(id, row, record): (Uuid, String, Vec<u8>)| {
            let row = plain(serde_json::from_str(&row).unwrap()).to_string();
            (id, (row, plain(serde_json::from_slice(&record).unwrap())))
        };
        letters.into_iter().map(letter).collect()
    }

    /// Stored, duplicate, rejected and ignored, as the ledger has them.
    pub async fn ledger(&self) -> (i64, i64, i64, i64) {
        let sums = "SELECT coalesce(sum(stored), 0)::int8, coalesce(sum(duplicate), 0)::int8,
                           coalesce(sum(rejected), 0)::int8, coalesce(sum(ignored), 0)::int8
                    FROM batches WHERE source = 'file' AND kind = 'product_view'
                                   AND received = stored + duplicate + rejected + ignored";
        sqlx::query_as(sums).fetch_one(&self.pool).await.unwrap()
    }
}

fn lines(file: &Path, platform: &str, day: chrono::NaiveDate, ids: Uuid) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
    let (mut lines, mut order, mut xor) = (Vec::new(), Vec::new(), 0);
    for rows in reader {
        let rows: RecordBatch = rows.unwrap();
        let text = |column: usize, row| {
            let column = rows.column(column).as_string::<i32>();
            if column.is_null(row) { "-" } else { column.value(row) }
        };
        for row in 0..rows.num_rows() {
            let id = Uuid::from_slice(rows.column(0).as_fixed_size_binary().value(row)).unwrap();
            let at = rows.column(1).as_primitive::<TimestampMicrosecondType>().value(row);
            assert_eq!(chrono::DateTime::from_timestamp_micros(at).unwrap().date_naive(), day);
            assert_eq!(text(3, row), platform);
            xor ^= id.as_u128();
            order.push((text(4, row).to_owned(), at));
            let texts: Vec<&str> = (3..8).map(|column| text(column, row)).collect();
            lines.push(format!("{id}|{at}|{}", texts.join("|")));
        }
    }
    assert_eq!(Uuid::from_u128(xor), ids);
    assert!(order.is_sorted());
    lines
}
