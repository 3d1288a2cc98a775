//! One dead letter on a terminal, whoever sent it.

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, by_nobody};
use crate::support::shop::{purchase, user};

fn is_unseen(seen: char) -> bool {
    (seen.is_control() && seen != '\n')
        || matches!(seen, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}')
}

#[tokio::test]
async fn what_is_wrong_points_into_the_payload() {
    let desk = Desk::new().await;
    let mut purchase = purchase(Uuid::from_u128(7));
    purchase["cart"][1]["quantity"] = json!(0);
    purchase.as_object_mut().unwrap().remove("timestamp");
    let payload = purchase.to_string();
    assert_eq!(desk.rig.words([payload.clone()]).await, ["shape"]);
    let id = desk.letter("shape").await.to_string();
    for _ in ["in the database", "in the blob store"] {
        let shown = desk.answer(&["show", &id]);
        assert!(
            shown
                .starts_with(&format!("dead letter {id}\n  kind         purchase\n  reason       shape (permanent)\n")),
            "{shown}"
        );
        let range = "        \"quantity\": 0\n                    ^ 2 range: expected a whole number from 1 to 1000000, found 0\n";
        assert!(shown.contains(range), "{shown}");
        assert!(shown.contains("    + \"timestamp\": 1 missing: expected "), "{shown}");
        assert_eq!(desk.purser(&["show", &id, "--raw"]).stdout, payload.as_bytes());
        let record: Value = serde_json::from_str(&desk.answer(&["show", &id, "--json"])).unwrap();
        assert_eq!(record["payload"]["data"], json!(payload));
        desk.ship().await;
    }
    assert_eq!(desk.answer(&["show", &id, "--json"]), desk.lines()[0].clone() + "\n", "as it is kept");
}

#[tokio::test]
async fn a_hostile_payload_does_nothing_to_the_terminal() {
    let desk = Desk::new().await;
    let text = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{200b}".to_owned();
    let mut named = json!({"id_": &text, "timestamp": text.repeat(1 << 15)});
    named[text.as_str()] = json!({"user_id": &text});
    let hostile: [Vec<u8>; 5] = [
        named.to_string().into_bytes(),
        format!("{{\"a\": {text}").into_bytes(),
        [text.as_bytes(), b"\xff\xfe\x1b[2J"].concat(),
        "[".repeat(1 << 20).into_bytes(),
        format!("{{\"id_\": [{}0]}}", "0,".repeat(500_000)).into_bytes(),
    ];
    for payload in hostile {
        let letters = desk.rig.decide(vec![crate::support::delivery(Bytes::from(payload.clone()))]).await;
        let [purser::pipeline::Outcome::Rejected(letter)] = letters[0].as_slice() else { panic!("it is wrong") };
        let id = letter.id.to_string();
        desk.ship().await;
        let shown = desk.answer(&["show", &id]);
        assert!(!shown.contains(is_unseen), "{shown:?}");
        assert!(shown.len() < 20_000 && shown.contains('^') | shown.contains('+'), "{shown}");
        assert_eq!(desk.purser(&["show", &id, "--raw"]).stdout, payload, "byte for byte");
    }
    assert!(!desk.answer(&["list"]).contains(is_unseen));
}

#[tokio::test]
async fn what_it_waits_for_and_what_became_of_it_is_said() {
    let desk = Desk::new().await;
    desk.rig.words([by_nobody(1)]).await;
    let id = desk.letter("reference").await.to_string();
    assert!(desk.answer(&["show", &id]).contains(&format!("  waits for    users {}\n", user(901))));
    desk.answer(&["discard", &id, "--because", "a \u{1b}test"]);
    let shown = desk.answer(&["show", &id]);
    assert!(shown.contains("  status       discarded since ") && shown.contains(": a \\u001btest\n"), "{shown}");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let desk = Desk::new().await;
    assert!(desk.objection(&["show", &Uuid::nil().to_string()]).contains("there is no dead letter"));
    desk.rig.words([by_nobody(1)]).await;
    desk.ship().await;
    let id = desk.letter("reference").await.to_string();
    std::fs::remove_dir_all(desk.folder.path().join("dead-letter")).unwrap();
    let output = desk.purser(&["show", &id]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && shown.contains("is not in the blob store"), "{shown}");
}
