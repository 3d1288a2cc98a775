//! `purser verify` as it is typed.

use std::process::{Command, Output};

use super::store_a_round;
use crate::support::Rig;

fn verify(rig: &Rig, blob: &tempfile::TempDir, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.arg("verify").args(flags).env("DATABASE_URL", &rig.url).env("BLOB_URL", blob.path());
    command.output().unwrap()
}

fn answer(output: &Output) -> (String, Option<i32>) {
    (String::from_utf8(output.stdout.clone()).unwrap(), output.status.code())
}

#[tokio::test]
async fn it_succeeds_only_when_all_agree() {
    let (rig, blob) = (Rig::new().await, tempfile::tempdir().unwrap());
    store_a_round(&rig, 1).await;
    let (text, code) = answer(&verify(&rig, &blob, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().count() == 11 && text.lines().all(|line| line.ends_with("agrees")), "{text}");
    let wrong = "UPDATE sales_over_time SET units = units + 1000 WHERE grain = 'hour' AND currency = 'SEK'
                 AND starts_at = '2026-01-02 01:00Z'";
    sqlx::query(wrong).execute(rig.pool()).await.unwrap();
    let output = verify(&rig, &blob, &["--only", "sales", "--only", "ledger"]);
    let (text, code) = answer(&output);
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        "ledger  agrees\n\
         sales   differs: 1\n\
         \n\
         WHAT             WHERE                          EXPECTED                    FOUND\n\
         sales_over_time  hour 2026-01-02T01:00:00Z SEK  0 purchases, 1 units, 99.9  0 purchases, 1001 units, 99.9\n"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("--repair"), "{output:?}");
    let (text, code) = answer(&verify(&rig, &blob, &["--repair", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["agrees"]), (Some(0), &true.into()), "{text}");
    let sales = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "sales").unwrap();
    assert_eq!((&sales["mended"], &sales["left"]), (&1.into(), &0.into()));
    assert_eq!(sales["differences"][0]["mended"], true);
    assert_eq!(answer(&verify(&rig, &blob, &[])).1, Some(0));
}

#[tokio::test]
async fn what_cannot_be_asked_is_an_error_and_no_agreement() {
    let blob = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.arg("verify").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env("BLOB_URL", blob.path());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
}
