//! Reading fields out of an event: what is right is returned, what is wrong is noted, and reading
//! goes on, so that one report holds everything.

mod numbers;
mod place;
mod texts;

use std::borrow::Cow;

use validator::ValidateLength;

use super::decode::Json;
use super::verdict::{Code, Violation};

pub use place::Place;
pub use texts::instant_of_millis;

/// One object of an event, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Object<'j> {
    fields: &'j [(Cow<'j, str>, Json<'j>)],
    place: Place,
}

impl<'j> Object<'j> {
    /// Takes a value as an object; anything else is a violation that says what was expected.
    pub fn of(
        value: &'j Json<'j>,
        place: Place,
        expected: &'static str,
        violations: &mut Vec<Violation>,
    ) -> Option<Self> {
        if let Json::Object(fields) = value {
            return Some(Object { fields, place });
        }
        violations.push(Violation::new(Code::WrongType, place.pointer(), expected, &value.to_string()));
        None
    }

    /// The object that `pointer` (such as `/event`) leads to from the event, or from an element of it.
    pub fn at(
        &self,
        pointer: &'static str,
        expected: &'static str,
        violations: &mut Vec<Violation>,
    ) -> Option<Object<'j>> {
        let (mut object, mut end) = (*self, 0);
        for name in pointer.split('/').skip(1) {
            end += 1 + name.len();
            let place = self.place.inside(&pointer[..end]);
            object = object.read(
                name,
                || expected.into(),
                violations,
                |value| match value {
                    Json::Object(fields) => Ok(Object { fields, place }),
                    _ => Err(Code::WrongType),
                },
            )?;
        }
        Some(object)
    }

    /// A required array whose length is within bounds, both inclusive. `of` names the elements.
    pub fn array(
        &self,
        name: &str,
        of: &str,
        (min, max): (u64, u64),
        violations: &mut Vec<Violation>,
    ) -> Option<&'j [Json<'j>]> {
        let expected = || format!("an array of {min} to {max} {of}").into();
        self.read(name, expected, violations, |value| match value {
            Json::Array(items) if items.validate_length(Some(min), Some(max), None) => Ok(items.as_slice()),
            Json::Array(_) => Err(Code::Length),
            _ => Err(Code::WrongType),
        })
    }

    /// Where the object stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether the object has a field of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether the field is absent, or stands there once as `null`.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        let mut found = self.values(name);
        let first = found.next().is_none_or(|value| *value == Json::Null);
        first && found.next().is_none()
    }

    /// Whether the field has nothing to say: absent, or there once as `null` or as text without a letter.
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        let blank = |value: &Json<'_>| matches!(value, Json::String(text) if text.trim().is_empty());
        let mut found = self.values(name);
        let first = found.next().is_none_or(|value| *value == Json::Null || blank(value));
        first && found.next().is_none()
    }

    /// A required value, whatever it is.
    pub fn any(&self, name: &str, expected: &'static str, violations: &mut Vec<Violation>) -> Option<&'j Json<'j>> {
        self.read(name, || expected.into(), violations, Ok)
    }

    /// The value of a field, whatever it is; of one that stands twice, the first.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'j Json<'j>> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'j Json<'j>> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value)
    }

    fn read<T>(
        &self,
        name: &str,
        expected: impl FnOnce() -> Cow<'static, str>,
        violations: &mut Vec<Violation>,
        read: impl FnOnce(&'j Json<'j>) -> Result<T, Code>,
    ) -> Option<T> {
        let mut found = self.values(name);
        let (code, actual) = match (found.next(), found.next()) {
            (None, _) => (Code::Missing, "nothing".to_owned()),
            (Some(_), Some(second)) => (Code::DuplicateField, second.to_string()),
            (Some(value), None) => match read(value) {
                Ok(value) => return Some(value),
                Err(code) => (code, value.to_string()),
            },
        };
        violations.push(Violation::new(code, self.place.field(name), expected(), &actual));
        None
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::decode::decode;
    use super::*;

    pub(super) fn codes(payload: &str, read: impl FnOnce(Object<'_>, &mut Vec<Violation>)) -> Vec<(String, Code)> {
        let json = decode(payload.as_bytes()).unwrap();
        let mut violations = Vec::new();
        if let Some(object) = Object::of(&json, Place::ROOT, "an object", &mut violations) {
            read(object, &mut violations);
        }
        violations.into_iter().map(|violation| (violation.path, violation.code)).collect()
    }

    #[test]
    fn every_wrong_field_is_noted_and_reading_goes_on() {
        let noted = codes(r#"{"a":1,"b":"x","d":2.0,"e":1,"e":1,"f":[],"g":10}"#, |object, violations| {
            object.uuid("a", violations);
            object.uuid("b", violations);
            object.uuid("c", violations);
            object.whole("d", (1, 9), violations);
            object.whole("e", (1, 9), violations);
            object.array("f", "lines", (1, 2), violations);
            object.whole("g", (1, 9), violations);
        });
        let expected = [
            ("/a", Code::WrongType),
            ("/b", Code::Format),
            ("/c", Code::Missing),
            ("/d", Code::WrongType),
            ("/e", Code::DuplicateField),
            ("/f", Code::Length),
            ("/g", Code::Range),
        ];
        assert_eq!(noted, expected.map(|(path, code)| (path.to_owned(), code)));
    }

    #[test]
    fn a_scalar_is_no_object() {
        assert_eq!(codes("7", |_, _| ()), [(String::new(), Code::WrongType)]);
    }

    #[test]
    fn a_field_is_blank_when_it_has_nothing_to_say() {
        let json = decode(br#"{"null":null,"text":" ","twice":"","twice":"","zero":0,"word":"x"}"#).unwrap();
        let object = Object::of(&json, Place::ROOT, "an object", &mut Vec::new()).unwrap();
        assert!(["absent", "null", "text"].iter().all(|name| object.is_blank(name)));
        assert!(["twice", "zero", "word"].iter().all(|name| !object.is_blank(name)));
        assert!(["absent", "null"].iter().all(|name| object.is_null(name)));
        assert!(!object.is_null("text"));
    }

    #[test]
    fn a_pointer_leads_into_nested_objects() {
        let read = |payload: &str| {
            codes(payload, |object, violations| {
                if let Some(inner) = object.at("/a/b", "an object", violations) {
                    inner.whole("c", (1, 9), violations);
                }
            })
        };
        assert_eq!(read(r#"{"a":{"b":{"c":1}}}"#), []);
        assert_eq!(read(r#"{"a":{"b":{"c":0}}}"#), [("/a/b/c".to_owned(), Code::Range)]);
        assert_eq!(read(r#"{"a":{"b":[]}}"#), [("/a/b".to_owned(), Code::WrongType)]);
        assert_eq!(read(r#"{"a":{}}"#), [("/a/b".to_owned(), Code::Missing)]);
        assert_eq!(read("{}"), [("/a".to_owned(), Code::Missing)]);
        let place = Place::element("events", 3).inside("/data");
        assert_eq!(place.field("codeColor"), "/events/3/data/codeColor");
    }
}
