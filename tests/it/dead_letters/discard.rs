//! Dead letters that nobody wants.

use serde_json::{Value, json};

use super::{Desk, by_nobody, of_nothing};
use crate::support::shop::user;

#[tokio::test]
async fn what_is_discarded_is_kept_and_tried_again_by_nothing() {
    let desk = Desk::new().await;
    desk.rig.words([by_nobody(1), by_nobody(2), of_nothing(3)]).await;
    let answer = desk.answer(&["discard", "--code=unknown_user", "--because", "sent by a test"]);
    assert!(answer.contains("        2  all\n"), "{answer}");
    assert_eq!(desk.groups(&[]).len(), 1);
    assert_eq!(desk.groups(&["--status=discarded"])[0]["count"], 2);
    let changes: Vec<Value> = desk.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changes: Vec<&Value> = changes.iter().filter(|record| record["status"] == "discarded").collect();
    assert_eq!(changes.len(), 2, "said to the blob store at once");
    assert!(changes.iter().all(|change| change["because"] == json!("sent by a test")));

    let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Late', 'PO 1\nBoise, ID 83701')");
    insert.bind(user(901)).execute(desk.rig.pool()).await.unwrap();
    let replayed = desk.answer(&["replay"]);
    assert!(replayed.lines().last().unwrap().starts_with("      1       0"), "{replayed}");
    assert_eq!(desk.rig.words([by_nobody(1)]).await, ["stored"], "delivered again, it may be stored");
    assert_eq!(desk.rig.words([by_nobody(2)]).await, ["reference again"]);
    assert_eq!(desk.groups(&["--status=discarded"])[0]["count"], 2, "and what was discarded stays so");
    assert_eq!(desk.rig.number("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(desk.rig.number("SELECT sum(waiting)::int8 FROM rejections").await, 0);
    desk.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn nothing_is_discarded_by_mistake() {
    let desk = Desk::new().await;
    desk.rig.words([by_nobody(1), by_nobody(2)]).await;
    assert!(desk.objection(&["discard", "--because", "x"]).contains("--all"));
    assert!(desk.objection(&["discard", "--all"]).contains("--because"));
    assert!(desk.objection(&["discard", "--all", "--because", " "]).contains("not wanted"));
    assert_eq!(desk.answer(&["discard", "--all", "--because", "x", "--dry-run"]), "2 would be discarded\n");
    assert_eq!(desk.groups(&[])[0]["count"], 2);
    let one = desk.groups(&[])[0]["sample_id"].as_str().unwrap().to_owned();
    desk.answer(&["discard", &one, "--because", "x"]);
    assert_eq!(desk.groups(&[])[0]["count"], 1);
    assert!(desk.answer(&["discard", "--all", "--because", "x"]).contains("        1  all\n"));
    assert!(desk.groups(&[]).is_empty());
}

#[tokio::test]
async fn a_dry_run_says_what_would_pass_and_changes_nothing() {
    let desk = Desk::new().await;
    desk.rig.words([by_nobody(1), by_nobody(2), of_nothing(3)]).await;
    let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Late', 'PO 1\nBoise, ID 83701')");
    insert.bind(user(901)).execute(desk.rig.pool()).await.unwrap();
    let before = desk.groups(&["--status=all"]);
    let answer = desk.answer(&["replay", "--dry-run"]);
    let lines: Vec<&str> = answer.lines().collect();
    assert!(
        lines[0].starts_with("MATCHED  WOULD PASS  DUPLICATE  REJECTED  SKIPPED  UNREADABLE  FINGERPRINT"),
        "{answer}"
    );
    assert!(lines[1].starts_with("      2           1          0         1        0           0  "), "{answer}");
    assert!(lines[1].ends_with("purchase reference: unknown_user /user_id"), "{answer}");
    assert!(lines[3].starts_with("      3           1          0         2        0           0  all"), "{answer}");
    assert_eq!(desk.groups(&["--status=all"]), before);
    let answer = desk.answer(&["replay", "--code=unknown_user"]);
    assert!(answer.lines().last().unwrap().starts_with("      2       1          0         1"), "{answer}");
    assert_eq!(desk.answer(&["replay", "--kind=order"]), "no open dead letters match\n");
}
