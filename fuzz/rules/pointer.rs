//! Whether what a violation points at is there.

use purser::pipeline::decode::Json;

/// Whether a JSON Pointer leads to a value, or, for what is `missing`, to where it ought to be.
pub(super) fn leads_somewhere(json: &Json<'_>, pointer: &str, missing: bool) -> bool {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return false;
    }
    let names: Vec<String> =
        pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
    match (missing, names.split_last()) {
        (true, Some((_, parent))) => leads(json, parent),
        _ => leads(json, &names),
    }
}

fn leads(json: &Json<'_>, names: &[String]) -> bool {
    let Some((name, rest)) = names.split_first() else { return true };
    match json {
        Json::Object(fields) => fields.iter().any(|(field, value)| field == name && leads(value, rest)),
        Json::Array(items) => {
            name.parse::<usize>().ok().and_then(|index| items.get(index)).is_some_and(|item| leads(item, rest))
        }
        // JSON inside of text: an order's addresses and items may come so.
        Json::String(text) => text.contains(['{', '[']),
        Json::Null | Json::Bool(_) | Json::Whole(_) | Json::Float(_) => false,
    }
}
