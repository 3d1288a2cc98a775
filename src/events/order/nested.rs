//! JSON inside of text inside of JSON: a known defect of producers, and what columns of CSV files hold.

use crate::pipeline::decode::{Json, decode};
use crate::pipeline::shape::Place;
use crate::pipeline::verdict::{Code, Violation};

/// How many texts may be wrapped around a value.
const LAYERS: usize = 4;

/// Lets `read` see what a value means: itself, or, where it is text, what is written in it as JSON. That
/// may be text in turn.
///
/// Text whose quotes are doubled, as in a cell of a CSV file that nobody took them out of, is read as what
/// stood in the cell.
///
/// # Errors
/// The text is not JSON, or is wrapped in too many others.
pub(super) fn unwrapped<R>(
    value: &Json<'_>,
    place: Place,
    expected: &'static str,
    read: impl FnOnce(&Json<'_>) -> R,
) -> Result<R, Violation> {
    unwrap(value, LAYERS, read).map_err(|(code, found)| {
        let expected = format!("{expected}, or a text that is the JSON of one");
        Violation::new(code, place.pointer(), expected, &format!("{found}, in {value}"))
    })
}

fn unwrap<R>(value: &Json<'_>, layers: usize, read: impl FnOnce(&Json<'_>) -> R) -> Result<R, (Code, String)> {
    let Json::String(text) = value else { return Ok(read(value)) };
    if layers == 0 {
        return Err((Code::TooDeep, format!("JSON inside of {LAYERS} texts within each other")));
    }
    let text = text.trim();
    let error = match decode(text.as_bytes()) {
        Ok(inner) => return unwrap(&inner, layers - 1, read),
        Err(violation) => violation,
    };
    match undoubled(text).as_ref().map(|text| decode(text.as_bytes())) {
        Some(Ok(inner)) => unwrap(&inner, layers - 1, read),
        _ => Err((error.code, error.actual)),
    }
}

/// The text of a cell of a CSV file, out of the way in which the file writes it.
fn undoubled(text: &str) -> Option<String> {
    let cell = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    cell.contains("\"\"").then(|| cell.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Code> {
        let value = Json::String(text.into());
        unwrapped(&value, Place::ROOT, "a value", |json| format!("{json:?}")).map_err(|violation| violation.code)
    }

    /// `json` as a text that holds it, so many times over.
    fn wrapped(json: &str, times: usize) -> String {
        (1..times).fold(json.to_owned(), |text, _| serde_json::Value::from(text).to_string())
    }

    #[test]
    fn text_is_what_is_written_in_it() {
        let plain = format!("{:?}", decode(br#"{"a":"","b":[1]}"#).unwrap());
        for text in [
            r#"{"a":"","b":[1]}"#.to_owned(),
            wrapped(r#"{"a":"","b":[1]}"#, 2),
            wrapped(r#"{"a":"","b":[1]}"#, LAYERS),
            r#" {""a"":"""",""b"":[1]} "#.to_owned(),
            r#""{""a"":"""",""b"":[1]}""#.to_owned(),
        ] {
            assert_eq!(read(&text).as_ref(), Ok(&plain), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_unwrapped_says_why() {
        assert_eq!(read("123 Main St"), Err(Code::InvalidJson));
        assert_eq!(read("{'a': 1}"), Err(Code::InvalidJson));
        assert_eq!(read(r#"{""a"": x}"#), Err(Code::InvalidJson));
        assert_eq!(read(&"[".repeat(1000)), Err(Code::TooDeep));
        assert_eq!(read(&wrapped("{}", LAYERS + 1)), Err(Code::TooDeep));
    }
}
