//! The folder of dead letters against its index.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use purser::blob::Blob;
use purser::dead_letters::Shipper;
use purser::health::Health;
use purser::telemetry::Metrics;
use purser::verify::Report;
use tempfile::TempDir;

use super::left;
use crate::support::{Rig, verifier};

/// A database, and a folder with its dead letters.
struct Folder {
    rig: Rig,
    blob: TempDir,
}

impl Folder {
    /// Two dead letters that are texts, one that is none, and one with a payload in an object of its own.
    async fn new() -> Folder {
        let folder = Folder { rig: Rig::new().await, blob: tempfile::tempdir().unwrap() };
        let large = vec![b'x'; (1 << 20) + 1];
        let payloads = [b"first, not json".to_vec(), b"second, not json".to_vec(), vec![0xff, 0xfe], large];
        assert_eq!(folder.rig.words(payloads).await, ["decode", "decode", "decode", "oversize"]);
        folder.ship().await;
        folder.rig.assert_verified(Some(folder.blob())).await;
        folder
    }

    fn blob(&self) -> Blob {
        Blob::open(self.blob.path().to_str().unwrap()).unwrap()
    }

    async fn ship(&self) {
        let (health, metrics) = (Health::default(), Arc::new(Metrics::default()));
        Shipper { pool: self.rig.pool().clone(), blob: self.blob(), health, metrics }.ship().await.unwrap();
    }

    async fn compare(&self) -> Report {
        verifier(self.rig.pool(), Some(self.blob())).verify(&["dead_letters".to_owned()]).await.unwrap()
    }

    /// The one object below a folder.
    fn object(&self, folder: &str) -> PathBuf {
        only_file(&self.blob.path().join("dead-letter").join(folder))
    }

    /// The object in which letters stand that could not be decoded.
    fn segment(&self) -> PathBuf {
        self.object("kind=purchase/reason=decode")
    }

    /// Asserts that just this is said to differ.
    async fn assert_differs(&self, place: &str, found: &str) {
        let report = self.compare().await;
        let differences: Vec<_> = report.checks.iter().flat_map(|check| &check.differences).collect();
        let [only] = differences.as_slice() else { panic!("not one difference: {report:#?}") };
        assert!(only.difference.place.contains(place), "{place} in {report:#?}");
        assert!(only.difference.found.contains(found), "{found} in {report:#?}");
        assert!(!report.agrees());
    }
}

fn only_file(folder: &Path) -> PathBuf {
    let [path] =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
    if path.is_dir() { only_file(&path) } else { path }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_deleted_object_is_missed() {
    let folder = Folder::new().await;
    let path = folder.segment();
    std::fs::remove_file(&path).unwrap();
    folder.assert_differs(&name(&path), "no such object").await;
}

#[tokio::test]
async fn a_deleted_payload_is_missed() {
    let folder = Folder::new().await;
    let path = folder.object("payloads");
    std::fs::remove_file(&path).unwrap();
    folder.assert_differs(&name(&path), "no such object").await;
}

#[tokio::test]
async fn a_flipped_byte_of_a_payload_is_seen() {
    let folder = Folder::new().await;
    let path = folder.segment();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("second, not", "second, nut")).unwrap();
    let line = text.lines().position(|line| line.contains("second, not")).unwrap() + 1;
    folder.assert_differs(&format!("{}:{line}", name(&path)), "sha256").await;
    std::fs::write(&path, &text).unwrap();
    let large = folder.object("payloads");
    let mut bytes = std::fs::read(&large).unwrap();
    bytes[77] ^= 1;
    std::fs::write(&large, bytes).unwrap();
    folder.assert_differs(&name(&large), "sha256").await;
}

#[tokio::test]
async fn swapped_lost_and_foreign_lines_are_seen() {
    let folder = Folder::new().await;
    let path = folder.segment();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(0, 1);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let report = folder.compare().await;
    assert_eq!(left(&report).len(), 2, "{report:#?}");
    std::fs::write(&path, text.trim_end()).unwrap();
    folder.assert_differs(":3", "cut off").await;
    std::fs::write(&path, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    folder.assert_differs(":3", "no such line").await;
    let foreign = text.lines().next().unwrap().replacen(
        "\"id\":\"",
        "\"id\":\"00000000-0000-4000-8000-000000000001\",\"was\":\"",
        1,
    );
    std::fs::write(&path, format!("{text}{foreign}\n")).unwrap();
    folder.assert_differs(":4", "none for 00000000-0000-4000-8000-000000000001").await;
}

#[tokio::test]
async fn objects_and_letters_that_nobody_knows_are_seen() {
    let folder = Folder::new().await;
    let foreign = folder.segment().with_file_name("foreign.ndjson");
    std::fs::write(&foreign, "{}\n").unwrap();
    folder.assert_differs("foreign.ndjson", "none").await;
    std::fs::remove_file(&foreign).unwrap();
    let payload = folder.object("payloads").with_file_name("notes.txt");
    std::fs::write(&payload, "hello").unwrap();
    folder.assert_differs("payloads/notes.txt", "none").await;
    std::fs::remove_file(&payload).unwrap();
    let lost = "UPDATE dead_letters SET segment = NULL, line = NULL WHERE reason = 'oversize'";
    sqlx::query(lost).execute(folder.rig.pool()).await.unwrap();
    let report = folder.compare().await;
    assert!(left(&report).iter().any(|(_, place)| place.starts_with("dead letter ")), "{report:#?}");
}

#[tokio::test]
async fn what_is_on_its_way_is_no_difference() {
    let folder = Folder::new().await;
    folder.rig.words(["third, not json"]).await;
    assert!(folder.compare().await.agrees(), "it is in the outbox");
    let compare = async {
        for _ in 0..20 {
            let report = folder.compare().await;
            assert!(report.agrees(), "{report:#?}");
        }
    };
    let ship = async {
        for number in 0..20 {
            folder.rig.words([format!("{number}, not json")]).await;
            folder.ship().await;
        }
    };
    tokio::join!(compare, ship);
}
