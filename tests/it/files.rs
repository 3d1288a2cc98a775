//! Events and reference data out of files.

mod commands;
mod csv;
mod import;
mod ingest;
mod interrupted;
mod views;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use purser::events::Kind;
use purser::intake::files::{Again, Counts, Ingestion, Reporter, Summary, ingest, list};
use purser::pipeline::worker::BatchLimits;
use purser::shutdown::Shutdown;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Rig, shop};

/// A stocked database, a folder to read from, and what was said.
struct Back {
    rig: Rig,
    /// What the files hold.
    kind: &'static str,
    folder: TempDir,
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    notices: Mutex<Vec<String>>,
    found: Mutex<u64>,
    /// Called with the number of records decided so far.
    watch: Mutex<Option<Watch>>,
    decided: Mutex<u64>,
}

type Watch = Box<dyn Fn(u64) + Send>;

impl Reporter for Said {
    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
    }

    fn found(&self, records: u64) {
        *self.found.lock().unwrap() += records;
    }

    fn decided(&self, records: u64) {
        let mut decided = self.decided.lock().unwrap();
        *decided += records;
        if let Some(watch) = &*self.watch.lock().unwrap() {
            watch(*decided);
        }
    }
}

impl Back {
    async fn new() -> Back {
        Back { rig: Rig::new().await, kind: "purchase", folder: tempfile::tempdir().unwrap(), said: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Ingests what a path or URL stands for, as a process of its own would.
    async fn ingest(&mut self, target: &str, again: Again) -> anyhow::Result<Summary> {
        self.said = Arc::default();
        self.rig.pipeline.shutdown = Shutdown::default();
        self.ingest_until(target, again).await
    }

    async fn ingest_until(&self, target: &str, again: Again) -> anyhow::Result<Summary> {
        let limits = BatchLimits { deliveries: 50, in_flight: 3, ..BatchLimits::default() };
        let ingestion = Ingestion { pipeline: self.rig.pipeline.clone(), limits, again, attributes: Arc::default() };
        let kind = Kind::named(self.kind).unwrap();
        ingest(*kind, &ingestion, list(target).await?, Arc::clone(&self.said) as Arc<dyn Reporter>).await
    }

    async fn counts(&mut self, path: &Path) -> Counts {
        self.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap().counts
    }

    fn notices(&self) -> String {
        self.said.notices.lock().unwrap().join("\n")
    }

    fn purser(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.env("DATABASE_URL", &self.rig.url).env("RUST_LOG", "off").args(arguments).output().unwrap()
    }

    /// What a command answers, and whether it succeeded.
    fn answer(&self, arguments: &[&str]) -> (String, bool) {
        let output = self.purser(arguments);
        assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.rig.pool()).await.unwrap();
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x3000_0000_0000_4000_8000_0000_0000_0000 + number)
}

/// A valid purchase on one line.
fn line(number: u128) -> String {
    shop::purchase(id(number)).to_string()
}

fn lines(numbers: std::ops::Range<u128>) -> String {
    numbers.map(|number| line(number) + "\n").collect()
}
