//! Whenever a run ends, the next one goes on behind what was committed: nothing is lost, nothing doubled.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use purser::intake::files::Again;
use purser::shutdown::Shutdown;

use super::inputs::{gzip, lines, write};
use super::yard::{Said, Yard};

/// A large file between small ones.
fn files(yard: &Yard) -> std::path::PathBuf {
    write(yard.folder.path(), "in/iOS/1.ndjson", lines(0..50));
    write(yard.folder.path(), "in/iOS/2.gz", gzip(lines(1000..4000).as_bytes()));
    write(yard.folder.path(), "in/iOS/3.ndjson", lines(5000..5050));
    yard.folder.path().join("in")
}

async fn assert_all_is_kept(yard: &Yard) {
    let ingested = Yard::new().await;
    ingested.ingest(&yard.folder.path().join("in"), Again::Skip).await;
    assert_eq!(yard.history().await, ingested.table().await);
    assert_eq!(yard.ledger().await, ingested.ledger().await);
    let (letters, expected) = (yard.letters().await, ingested.letters().await);
    assert_eq!(letters.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
}

/// Runs until one comes to the end, each being stopped in some way after some commits; says how many there were.
async fn run_until_done(yard: &Yard, commits: u64, stop: fn(&Shutdown)) -> u64 {
    let path = files(yard);
    for runs in 1..200 {
        let shutdown = Shutdown::default();
        let stopped = shutdown.clone();
        let said = Said::watched_by(move |done| {
            if done >= commits {
                stop(&stopped);
            }
        });
        if let Ok(summary) = yard.compact_with(&path, &shutdown, &said).await
            && !summary.interrupted
        {
            assert!(summary.is_complete());
            return runs;
        }
    }
    panic!("no run comes to an end");
}

#[tokio::test]
async fn giving_up_after_a_commit_loses_and_doubles_nothing() {
    for commits in [1, 3] {
        let yard = Yard::new().await;
        let runs = run_until_done(&yard, commits, Shutdown::give_up).await;
        assert!(runs > 2, "{runs}");
        assert_all_is_kept(&yard).await;
    }
}

#[tokio::test]
async fn stopping_softly_commits_what_was_read() {
    let mut yard = Yard::new().await;
    (yard.limits.views, yard.limits.kept) = (20_000, 0);
    let runs = run_until_done(&yard, 1, Shutdown::stop).await;
    assert!(runs > 2, "{runs}");
    assert_all_is_kept(&yard).await;
    assert_eq!(yard.orphans().await, 0);
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_has_committed_what_was_before() {
    let mut yard = Yard::new().await;
    (yard.limits.views, yard.limits.kept) = (20_000, 0);
    let path = files(&yard);
    let folder = yard.store().join("platform=iOS");
    let broken = folder.clone();
    let said = Said::watched_by(move |commits| {
        if commits == 4 {
            std::fs::rename(&broken, broken.with_extension("away")).unwrap();
            std::fs::write(&broken, "in the way").unwrap();
        }
    });
    yard.compact_with(&path, &Shutdown::default(), &said).await.unwrap_err();
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(folder.with_extension("away"), &folder).unwrap();
    assert!(yard.number("SELECT sum(committed_position)::int8 FROM ingested_files").await > 50);
    assert!(yard.compact_with(&path, &Shutdown::default(), &Arc::default()).await.unwrap().is_complete());
    assert_all_is_kept(&yard).await;
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_has_lost_and_doubled_nothing() {
    let yard = Yard::new().await;
    let path = files(&yard);
    let committed = "SELECT coalesce(sum(committed_position), 0)::int8 FROM ingested_files";
    let mut enough = 0;
    loop {
        let mut child = yard
            .command(&path)
            .arg("--commit-bytes=30000")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let done = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if yard.number(committed).await > enough {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        if let Some(status) = done {
            assert!(status.success());
            break;
        }
        enough = yard.number(committed).await + 300;
    }
    assert!(enough > 1000, "killed too late: {enough}");
    assert_all_is_kept(&yard).await;
}
