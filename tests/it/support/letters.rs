//! Dead letters as a reviewer finds them: the folder alone, without the database.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use uuid::Uuid;

/// A rejected event, with the very bytes of its message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub id: Uuid,
    pub kind: String,
    pub reason: String,
    pub position: u64,
    pub payload: Vec<u8>,
}

/// Every dead letter below the folder of a blob store. Panics when one stands twice, or lacks its payload.
pub fn letters(blob: &Path) -> Vec<Letter> {
    let lines = lines_below(&blob.join("dead-letter"));
    let mut records = BTreeMap::new();
    for line in lines {
        let record: Value = serde_json::from_str(&line).unwrap();
        if record["schema"] == "purser.dead_letter/1" {
            let twice = records.insert((uuid(&record["id"]), record["attempt"].as_u64()), record);
            assert!(twice.is_none(), "{line} stands twice");
        }
    }
    let payload = |record: &Value| payload(blob, &records, record);
    // The newest record of each.
    let newest: BTreeMap<Uuid, &Value> = records.iter().map(|((id, _), record)| (*id, record)).collect();
    let letter = |(id, record): (Uuid, &Value)| Letter {
        id,
        kind: text(&record["kind"]).to_owned(),
        reason: text(&record["reason"]).to_owned(),
        position: record["position"].as_u64().unwrap(),
        payload: payload(record),
    };
    newest.into_iter().map(letter).collect()
}

/// What dead letters were closed as, by the records of it in the folder of a blob store.
pub fn closed(blob: &Path) -> BTreeMap<Uuid, String> {
    let changes = lines_below(&blob.join("dead-letter/status")).into_iter().map(|line| {
        let change: Value = serde_json::from_str(&line).unwrap();
        (uuid(&change["id"]), text(&change["status"]).to_owned())
    });
    changes.collect()
}

fn payload(blob: &Path, records: &BTreeMap<(Uuid, Option<u64>), Value>, record: &Value) -> Vec<u8> {
    let (encoding, data) = (text(&record["payload"]["encoding"]), text(&record["payload"]["data"]));
    let bytes = match encoding {
        "utf8" => data.as_bytes().to_vec(),
        "base64" => BASE64_STANDARD.decode(data).unwrap(),
        "object" => std::fs::read(blob.join(data)).unwrap(),
        // That of the first letter of the same message.
        "dead_letter" => {
            let id: Uuid = data.parse().unwrap();
            let first = records.range((id, None)..).next().filter(|((found, _), _)| *found == id);
            payload(blob, records, first.unwrap_or_else(|| panic!("{data} is nowhere")).1)
        }
        other => panic!("{other} is no encoding"),
    };
    assert_eq!(record["payload"]["bytes"], bytes.len(), "{record}");
    bytes
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn uuid(value: &Value) -> Uuid {
    text(value).parse().unwrap()
}

/// Every line of every `.ndjson` file below a folder.
pub fn lines_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut lines = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            lines.extend(lines_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "ndjson") {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}
