//! Fields that nothing is counted by: whatever JSON they are is taken, and written in one way.

use std::fmt::Write as _;

use super::nested::unwrapped;
use crate::pipeline::decode::Json;
use crate::pipeline::shape::{Object, Place};

/// The text of a field of any type, the same however a producer writes the value; `None` when it is absent,
/// null or blank.
pub(super) fn text(object: Object<'_>, name: &str) -> Option<String> {
    let value = object.value(name)?;
    match value {
        Json::Null => None,
        Json::String(text) => Some(container(value, text).unwrap_or_else(|| text.trim().to_owned())),
        value => Some(canonical(value)),
    }
    .filter(|text| !text.is_empty())
}

/// An array or object that a text is the JSON of.
fn container(value: &Json<'_>, text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['[', '{', '"']) {
        return None;
    }
    let is_container = |json: &Json<'_>| matches!(json, Json::Array(_) | Json::Object(_));
    unwrapped(value, Place::ROOT, "", |json| is_container(json).then(|| canonical(json))).ok()?
}

/// Compact JSON, fields in the order of their names.
fn canonical(json: &Json<'_>) -> String {
    let mut text = String::new();
    write(json, &mut text);
    text
}

fn write(json: &Json<'_>, text: &mut String) {
    match json {
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write(item, text);
            }
            text.push(']');
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            text.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                // Formatting into a string does not fail.
                let _ = write!(text, "{}:", Json::String(name.as_ref().into()));
                write(value, text);
            }
            text.push('}');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::decode::decode;

    fn of(value: &str) -> Option<String> {
        let json = format!(r#"{{"field":{value}}}"#);
        let json = decode(json.as_bytes()).unwrap();
        text(Object::of(&json, Place::ROOT, "an object", &mut Vec::new()).unwrap(), "field")
    }

    #[test]
    fn one_value_has_one_text() {
        for (values, expected) in [
            (&[r#""xxx""#, r#"" xxx ""#][..], Some("xxx")),
            (&["7", r#""7""#], Some("7")),
            (&["null", r#""""#, r#"" ""#], None),
            (&[r#"["a",{"c":1,"b":null}]"#, r#""[\"a\", {\"b\":null,\"c\":1}]""#], Some(r#"["a",{"b":null,"c":1}]"#)),
            (&[r#""\"quoted\"@example.com""#], Some(r#""quoted"@example.com"#)),
            (&[r#""{not json""#], Some("{not json")),
        ] {
            for value in values {
                assert_eq!(of(value).as_deref(), expected, "{value}");
            }
        }
    }
}
