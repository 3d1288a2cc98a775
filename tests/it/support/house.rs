//! A database and a folder for dead letters, and what ships them there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use purser::blob::Blob;
use purser::dead_letters::Shipper;
use purser::health::Health;
use purser::telemetry::Metrics;
use serde_json::Value;
use tempfile::TempDir;

use super::Rig;

pub struct House {
    pub rig: Rig,
    pub folder: TempDir,
    pub shipper: Shipper,
}

impl House {
    pub async fn new() -> House {
        let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
        let (pool, blob) = (rig.pool().clone(), Blob::open(&folder.path().display().to_string()).unwrap());
        let shipper = Shipper { pool, blob, health: Health::default(), metrics: Arc::new(Metrics::default()) };
        House { rig, folder, shipper }
    }

    /// Decides events, and returns the word for what became of each.
    pub async fn words(&self, kind: &str, events: &[Value]) -> Vec<String> {
        self.rig.words_as(kind, events.iter().map(Value::to_string)).await
    }

    /// Decides events that all become the same.
    pub async fn tell(&self, kind: &str, events: &[Value], word: &str) {
        let words = self.words(kind, events).await;
        assert!(words.iter().all(|found| found == word), "{kind}: {words:?}");
    }

    /// Ships what waits, and has `purser verify` compare everything.
    pub async fn assert_verified(&self) {
        self.shipper.ship().await.unwrap();
        self.rig.assert_verified(Some(self.shipper.blob.clone())).await;
    }

    /// Every file of the folder: its name there, and what it holds.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), self.folder.path(), &mut files);
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().display().to_string();
        files.insert(name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
    }
}
