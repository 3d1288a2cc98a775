//! The inner event of a click: what is hashed of it, and what is kept.

use chrono::{DateTime, Utc};

use super::HASH_VERSION;
use crate::events::{ContentHash, ContentHasher};
use crate::pipeline::decode::Json;
use crate::pipeline::shape::Object;
use crate::pipeline::verdict::{Code, Violation};

/// The fields that belong to what an event says, beside its timestamp and its customer. Which of them there are
/// depends on its type. All others are kept, and make no difference.
const FIELDS: [&str; 7] = ["user-agent", "ip", "page", "referrer", "query", "product", "position"];

/// Hashes the normalised wire fields: a field that is null is none, an id is its text, an instant is in UTC, and
/// the fields of an object have no order.
pub(super) fn content_hash(
    id: &str,
    r#type: &str,
    occurred_at: DateTime<Utc>,
    customer_id: Option<&str>,
    event: Object<'_>,
) -> ContentHash {
    let mut hash = ContentHasher::new(HASH_VERSION);
    hash.text(id).text(r#type).instant(occurred_at).optional(customer_id, ContentHasher::text);
    for field in FIELDS {
        let value = event.value(field).filter(|value| **value != Json::Null);
        hash.optional(value, |hash, value| match value {
            Json::String(text) => hash.boolean(true).text(text),
            value => hash.boolean(false).text(&serde_json::to_value(value).unwrap_or_default().to_string()),
        });
    }
    hash.finish()
}

/// The value at `place` as JSON text that Postgres takes: NUL, which it does not keep, is a violation.
pub(super) fn storable(value: &Json<'_>, place: &str, violations: &mut Vec<Violation>) -> Option<String> {
    let json = serde_json::to_string(value).ok()?;
    let nul = json.contains("\\u0000").then(|| nul_in(value, place)).flatten();
    let Some(path) = nul else { return Some(json) };
    if violations.iter().all(|violation| violation.path != path) {
        violations.push(Violation::new(Code::Format, path, "text without NUL", "text with NUL"));
    }
    None
}

/// Where the first text, or name of a field, with NUL stands.
fn nul_in(value: &Json<'_>, place: &str) -> Option<String> {
    match value {
        Json::String(text) => text.contains('\0').then(|| place.to_owned()),
        Json::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| nul_in(item, &format!("{place}/{index}")))
        }
        Json::Object(fields) => fields.iter().find_map(|(name, value)| match name.contains('\0') {
            true => Some(place.to_owned()),
            false => nul_in(value, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))),
        }),
        Json::Null | Json::Bool(_) | Json::Whole(_) | Json::Float(_) => None,
    }
}
