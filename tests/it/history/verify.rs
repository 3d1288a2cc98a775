//! `purser verify` over both places.

use purser::verify::{Report, Unverified};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use url::Url;

use super::{deliver, long_ago, move_out};
use crate::support::{Rig, verifier};

/// A database whose history is one file with a view; another is still in the table.
async fn with_history() -> (Rig, TempDir) {
    let (rig, outer) = (Rig::new().await, tempfile::tempdir().unwrap());
    let folder = outer.path().join("a folder");
    std::fs::create_dir_all(folder.join("platform=iOS")).unwrap();
    let url = Url::from_directory_path(&folder).unwrap();
    sqlx::query("INSERT INTO history (url) VALUES ($1)").bind(url.as_str()).execute(rig.pool()).await.unwrap();
    assert_eq!(deliver(&rig, "a", &["1", "2"], long_ago()).await, "stored, stored");
    move_out(&mut rig.pool().acquire().await.unwrap(), "1", "platform=iOS/one.parquet").await;
    std::fs::write(folder.join("platform=iOS/one.parquet"), "x").unwrap();
    std::fs::write(folder.join("platform=iOS/of-a-killed-run.parquet"), "xyz").unwrap();
    (rig, outer)
}

async fn compare(rig: &Rig) -> Result<Report, Unverified> {
    verifier(rig.pool(), None).verify(&["ledger".to_owned(), "history".to_owned()]).await
}

/// What differs, and what was found there.
async fn differences(rig: &Rig) -> Vec<(String, String)> {
    let report = compare(rig).await.unwrap();
    let found = report.checks.into_iter().flat_map(|check| check.differences);
    found.map(|found| (found.difference.place, found.difference.found)).collect()
}

#[tokio::test]
async fn what_is_in_the_history_counts_as_rows() {
    let (rig, _folder) = with_history().await;
    assert!(compare(&rig).await.unwrap().agrees());
    rig.assert_accounts_agree().await;
    rig.execute("UPDATE history_files SET rows = 3".to_owned()).await;
    assert_eq!(differences(&rig).await, [("rows of product_view".to_owned(), "4".to_owned())]);
}

#[tokio::test]
async fn whatever_is_wrong_with_the_history_is_named() {
    let to_and_fro = [
        (
            "INSERT INTO moved_product_views SELECT id, received_at FROM product_views",
            "DELETE FROM moved_product_views WHERE id IN (SELECT id FROM product_views)",
            "view ",
            "in the table, too",
        ),
        (
            "UPDATE history_files SET last_at = last_at + interval '1 day'",
            "UPDATE history_files SET last_at = first_at",
            "platform=iOS/one.parquet",
            " to ",
        ),
        (
            "UPDATE history_files SET day = day + 1",
            "UPDATE history_files SET day = day - 1",
            "platform=iOS/one.parquet",
            " to ",
        ),
        (
            "UPDATE history_files SET bytes = 2",
            "UPDATE history_files SET bytes = 1",
            "platform=iOS/one.parquet",
            "1 bytes",
        ),
        (
            "UPDATE history_files SET path = 'elsewhere'",
            "UPDATE history_files SET path = 'platform=iOS/one.parquet'",
            "elsewhere",
            "no such file",
        ),
    ];
    let (rig, _folder) = with_history().await;
    for (wrong, right, place, found) in to_and_fro {
        rig.execute(wrong.to_owned()).await;
        let differences = differences(&rig).await;
        let [(where_, what)] = &differences[..] else { panic!("{wrong}: {differences:?}") };
        assert!(where_.starts_with(place) && what.contains(found), "{wrong}: {differences:?}");
        rig.execute(right.to_owned()).await;
        assert!(compare(&rig).await.unwrap().agrees(), "{right}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_count_any_more_may_be_gone() {
    let (rig, folder) = with_history().await;
    std::fs::remove_file(folder.path().join("a folder/platform=iOS/one.parquet")).unwrap();
    assert_eq!(differences(&rig).await.len(), 1);
    rig.execute("UPDATE history_files SET removed_at = now(); UPDATE batches SET stored = 1, received = 1".to_owned())
        .await;
    assert_eq!(differences(&rig).await, []);
}

#[tokio::test]
async fn where_the_files_cannot_be_seen_nothing_is_said() {
    let rig = Rig::new().await;
    let names = |report: Report| report.checks.iter().map(|check| check.name).collect::<Vec<_>>();
    assert_eq!(names(compare(&rig).await.unwrap()), ["ledger"], "without a history");
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for (url, why) in [
        (format!("file://{}/", missing.display()), "there is no such folder here"),
        ("ftp://somewhere/".to_owned(), "ftp://somewhere/"),
    ] {
        let history = format!("DELETE FROM history; INSERT INTO history (url) VALUES ('{url}')");
        sqlx::raw_sql(AssertSqlSafe(history)).execute(rig.pool()).await.unwrap();
        let error = compare(&rig).await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the history at {url} cannot be compared")) && error.contains(why),
            "{error}"
        );
    }
    assert!(!missing.exists());
}
