//! Dead letters as a reviewer meets them, at the command line.

mod discard;
mod list;
mod reindex;
mod show;

use std::path::PathBuf;
use std::process::{Command, Output};

use bytes::Bytes;
use purser::blob::Blob;
use purser::dead_letters::Shipper;
use purser::health::Health;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::Rig;
use crate::support::letters::lines_below;
use crate::support::shop::{purchase_with, user};

/// A pipeline, a folder that its dead letters are shipped to, and the command line.
struct Desk {
    rig: Rig,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Desk {
        Desk { rig: Rig::new().await, folder: tempfile::tempdir().unwrap() }
    }

    async fn ship(&self) {
        let Rig { pipeline, .. } = &self.rig;
        let (pool, metrics) = (pipeline.pool.clone(), pipeline.metrics.clone());
        let blob = Blob::open(self.folder.path().to_str().unwrap()).unwrap();
        Shipper { pool, blob, health: Health::default(), metrics }.ship().await.unwrap();
    }

    /// A command, against a database and this folder.
    fn purser_on(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.env("DATABASE_URL", url).env("BLOB_URL", self.folder.path()).env("RUST_LOG", "off");
        command.arg("dead-letters").args(arguments).output().unwrap()
    }

    fn purser(&self, arguments: &[&str]) -> Output {
        self.purser_on(&self.rig.url, arguments)
    }

    /// What a command that succeeds answers.
    fn answer(&self, arguments: &[&str]) -> String {
        let output = self.purser(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails says.
    fn objection(&self, arguments: &[&str]) -> String {
        let output = self.purser(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// The groups that `list` finds.
    fn groups(&self, arguments: &[&str]) -> Vec<Value> {
        let answer = self.answer(&[&["list", "--json"], arguments].concat());
        answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only dead letter of this reason.
    async fn letter(&self, reason: &str) -> Uuid {
        sqlx::query_scalar("SELECT id FROM dead_letters WHERE reason = $1")
            .bind(reason)
            .fetch_one(self.rig.pool())
            .await
            .unwrap()
    }

    /// The lines of all objects.
    fn lines(&self) -> Vec<String> {
        lines_below(self.folder.path())
    }

    /// The objects with records of this reason.
    fn objects(&self, reason: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join(format!("dead-letter/kind=purchase/reason={reason}"))];
        let mut objects = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { folders.push(entry) } else { objects.push(entry) }
            }
        }
        objects
    }
}

/// A purchase by somebody who is not there.
fn by_nobody(number: u128) -> Bytes {
    purchase_with(Uuid::from_u128(number), "user_id", json!(user(900 + number))).to_string().into()
}

/// A purchase of nothing: its cart is no array.
fn of_nothing(number: u128) -> Bytes {
    purchase_with(Uuid::from_u128(number), "cart", json!(null)).to_string().into()
}
