//! Causes, most frequent first.

use serde_json::json;

use super::{Desk, by_nobody, of_nothing};
use crate::support::shop::user;

async fn desk() -> Desk {
    let desk = Desk::new().await;
    desk.rig.words([by_nobody(1), by_nobody(2), by_nobody(1), of_nothing(3), "nonsense".into()]).await;
    desk.rig.words([by_nobody(4)]).await;
    desk
}

#[tokio::test]
async fn causes_are_grouped_most_frequent_first() {
    let desk = desk().await;
    let groups = desk.groups(&[]);
    assert_eq!(groups.iter().map(|group| group["count"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 1, 1]);
    let first = &groups[0];
    assert_eq!(
        (&first["kind"], &first["reason"], &first["share"]),
        (&json!("purchase"), &json!("reference"), &json!(0.6))
    );
    assert_eq!((&first["code"], &first["path"]), (&json!("unknown_user"), &json!("/user_id")));
    assert_eq!(first["causes"], json!([{"code": "unknown_user", "path": "/user_id"}]));
    let waited = |number: u128| json!({"table": "users", "id": user(900 + number), "letters": 1});
    assert_eq!(first["waiting_for"], json!([waited(1), waited(2), waited(4)]));
    let sample = first["sample_id"].as_str().unwrap();
    assert!(desk.answer(&["show", sample]).contains(&user(904).to_string()), "the newest is the sample");

    let table = desk.answer(&["list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("COUNT  SHARE  KIND      REASON     WHAT IS WRONG"), "{table}");
    assert!(lines[1].starts_with("    3  60.0%  purchase  reference  unknown_user /user_id"), "{table}");
    assert_eq!(lines.len(), 4, "{table}");
}

#[tokio::test]
async fn filters_narrow_what_is_listed() {
    let desk = desk().await;
    let fingerprint = desk.groups(&["--reason=decode"])[0]["fingerprint"].as_str().unwrap().to_owned();
    let counts = [
        (vec!["--kind=purchase"], 5),
        (vec!["--kind=order"], 0),
        (vec!["--reason=reference"], 3),
        (vec!["--code=invalid_json"], 1),
        (vec!["--code=unknown_user", "--reason=shape"], 0),
        (vec!["--fingerprint", fingerprint.as_str()], 1),
        (vec!["--since=1h"], 5),
        (vec!["--until=1h"], 0),
        (vec!["--since=2020-01-01", "--until=2020-01-01T12:00:00Z"], 0),
        (vec!["--status=discarded"], 0),
        (vec!["--status=all"], 5),
    ];
    for (arguments, expected) in counts {
        let found: i64 = desk.groups(&arguments).iter().map(|group| group["count"].as_i64().unwrap()).sum();
        assert_eq!(found, expected, "{arguments:?}");
    }
    let nothing = desk.purser(&["list", "--kind=order"]);
    assert_eq!((nothing.stdout.as_slice(), nothing.status.success()), (&b""[..], true));
    assert!(desk.answer(&["list", "--limit=1"]).lines().count() == 2);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let desk = Desk::new().await;
    for (wrong, hint) in [
        ("--reason=nope", "possible values: oversize, decode"),
        ("--code=nope", "unknown_user"),
        ("--kind=nope", "purchase, ab_event"),
        ("--since=yesterday", "an age such as 30m"),
        ("--until=2h30", "an age such as 30m"),
        ("--status=closed", "open, replayed"),
    ] {
        let said = desk.objection(&["list", wrong]);
        assert!(said.contains(hint), "{wrong}: {said}");
    }
}
