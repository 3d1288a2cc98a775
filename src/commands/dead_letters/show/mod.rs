//! One dead letter as a person reads it: what it is, what is wrong, and the payload, with what is wrong pointing
//! into it. Whatever was sent is shown so that a terminal does nothing but show it.

mod header;
mod page;
mod pretty;
mod unreadable;
mod violation;

use serde_json::Value;

use crate::dead_letters::records::Entry;
use crate::pipeline::decode::decode;
use violation::Violation;

/// A larger payload is not looked into.
const SHOWN_BYTES: usize = 16 << 20;

/// Everything about a dead letter. Without a payload where that is not kept.
pub(super) fn render(entry: &Entry, record: &Value, payload: Option<&[u8]>) -> String {
    let violations = Violation::all(record);
    let mut text = header::header(entry, record);
    text.push_str(&header::violations(&violations));
    text.push_str("\npayload\n");
    text.push_str(&match payload {
        None => "  is not kept: see where it came from\n".to_owned(),
        Some(payload) if payload.len() > SHOWN_BYTES => "  is too large to be shown: --raw prints it\n".to_owned(),
        Some(payload) => match decode(payload) {
            Ok(json) => pretty::pretty(&json, &violations).print("  "),
            Err(_) => unreadable::unreadable(payload).print("  "),
        },
    });
    text
}
