//! Bytes to JSON: one pass, borrowing from the payload wherever the text needs no unescaping.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::verdict::{Code, Violation};

/// A JSON value that borrows from its payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number, written without fraction and exponent.
    Whole(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, its fields in the order of the payload, with repeated ones kept.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Decodes a payload as one JSON value.
///
/// # Errors
/// One violation: not UTF-8, not JSON, or nested deeper than 127 levels.
pub fn decode(payload: &[u8]) -> Result<Json<'_>, Violation> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let place = format!("an invalid byte at {}", error.valid_up_to());
        Violation::new(Code::NotUtf8, "", "UTF-8 text", &place)
    })?;
    serde_json::from_str(text).map_err(|error| describe(&error))
}

fn describe(error: &serde_json::Error) -> Violation {
    let found = error.to_string();
    if found.starts_with("recursion limit exceeded") {
        return Violation::new(Code::TooDeep, "", "at most 127 levels of nesting", &found);
    }
    Violation::new(Code::InvalidJson, "", "one JSON value", &found)
}

impl fmt::Display for Json<'_> {
    /// Compact JSON, meant for the `actual` of a violation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Whole(value) => write!(f, "{value}"),
            Json::Float(value) => write!(f, "{value:?}"),
            Json::String(text) => write!(f, "{}", serde_json::Value::from(text.as_ref())),
            Json::Array(items) => write!(f, "an array of {}", items.len()),
            Json::Object(fields) => write!(f, "an object of {}", fields.len()),
        }
    }
}

impl Serialize for Json<'_> {
    /// The whole value; fields keep their order, and repeated ones are written again.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Whole(value) => serializer.serialize_i128(*value),
            Json::Float(value) => serializer.serialize_f64(*value),
            Json::String(text) => serializer.serialize_str(text),
            Json::Array(items) => serializer.collect_seq(items),
            Json::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some((Name(name), value)) = entries.next_entry()? {
            object.push((name, value));
        }
        Ok(Json::Object(object))
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(payload: &[u8]) -> Option<Code> {
        decode(payload).err().map(|violation| violation.code)
    }

    #[test]
    fn what_is_not_json_says_which_way_it_is_not() {
        assert_eq!(code(b"\xff\xfe"), Some(Code::NotUtf8));
        assert_eq!(code(b""), Some(Code::InvalidJson));
        assert_eq!(code(b"{\"a\":1} x"), Some(Code::InvalidJson));
        assert_eq!(code(br#""\ud800""#), Some(Code::InvalidJson));
        assert_eq!(code(b"NaN"), Some(Code::InvalidJson));
        assert_eq!(code("[".repeat(100_000).as_bytes()), Some(Code::TooDeep));
        assert_eq!(code(b"null"), None);
    }

    #[test]
    fn plain_text_is_borrowed() {
        let Ok(Json::String(plain)) = decode(br#""plain""#) else { panic!() };
        assert!(matches!(plain, Cow::Borrowed("plain")));
    }

    #[test]
    fn whole_numbers_are_told_from_floats() {
        assert_eq!(decode(b"2").unwrap(), Json::Whole(2));
        assert_eq!(decode(b"2.0").unwrap(), Json::Float(2.0));
        assert_eq!(decode(b"18446744073709551615").unwrap(), Json::Whole(18_446_744_073_709_551_615));
    }

    #[test]
    fn what_is_decoded_is_written_as_it_was() {
        let text = r#"{"b":[1,-2.5,18446744073709551615,1e+300],"a":{"":null,"é\"":true},"a":"\u0000\n"}"#;
        assert_eq!(serde_json::to_string(&decode(text.as_bytes()).unwrap()).unwrap(), text);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
