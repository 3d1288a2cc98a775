//! A line of the dead-letter folder is a record, or it is not; what is read of one is what was written.

use purser::dead_letters::Record;
use purser::intake::Origin;

/// Any bytes as a record.
pub fn dead_letter(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
    let _ = record.published_at();
    assert!(record.payload.kept_in().is_none() || record.payload.encoding == "dead_letter");
    let Some((_id, origin)) = record.delivery() else { return };
    let written = serde_json::to_string(&origin).expect("an origin can be written");
    let again: Origin = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(written), "an origin is what it was");
}
