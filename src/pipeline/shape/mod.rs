//! Reading fields out of an event: what is right is returned, what is wrong is noted, and reading
//! goes on, so that one report holds everything.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;
use validator::{ValidateLength, ValidateRange};

use super::decode::Json;
use super::verdict::{Code, Violation};
use crate::domain::parse_instant;

/// One object of an event, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Object<'j> {
    fields: &'j [(Cow<'j, str>, Json<'j>)],
    place: Place,
}

/// Where a value stands. Turned into a JSON Pointer only when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The event itself.
    Root,
    /// The nth element of a field of the event.
    Element(&'static str, usize),
}

impl Place {
    /// The JSON Pointer (RFC 6901) of a field at this place.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        format!("{}/{name}", self.pointer())
    }

    /// The JSON Pointer of this place.
    #[must_use]
    pub fn pointer(self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Element(array, index) => format!("/{array}/{index}"),
        }
    }
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

    /// A required uuid in its hyphenated form, in any case.
    pub fn uuid(&self, name: &str, violations: &mut Vec<Violation>) -> Option<Uuid> {
        self.text(name, "a uuid", violations, |text| (text.len() == 36).then(|| Uuid::try_parse(text).ok())?)
    }

    /// A required ISO-8601 date and time within bounds, both inclusive; a naive one is UTC.
    pub fn instant(
        &self,
        name: &str,
        (min, max): (DateTime<Utc>, DateTime<Utc>),
        violations: &mut Vec<Violation>,
    ) -> Option<DateTime<Utc>> {
        let instant = self.text(name, "an ISO-8601 date and time", violations, |text| parse_instant(text).ok())?;
        if (min..=max).contains(&instant) {
            return Some(instant);
        }
        let expected = format!("a time from {} to {}", rfc3339(min), rfc3339(max));
        violations.push(Violation::new(Code::Range, self.place.field(name), expected, &rfc3339(instant)));
        None
    }

    /// A required whole JSON number within bounds, both inclusive. `2.0` and `"2"` are none.
    pub fn whole(&self, name: &str, (min, max): (i32, i32), violations: &mut Vec<Violation>) -> Option<i32> {
        let expected = || format!("a whole number from {min} to {max}").into();
        self.read(name, expected, violations, |value| match value {
            Json::Whole(whole) if whole.validate_range(Some(min.into()), Some(max.into()), None, None) => {
                i32::try_from(*whole).map_err(|_| Code::Range)
            }
            Json::Whole(_) => Err(Code::Range),
            _ => Err(Code::WrongType),
        })
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
        self.fields.iter().any(|(field, _)| field == name)
    }

    fn text<T>(
        &self,
        name: &str,
        expected: &'static str,
        violations: &mut Vec<Violation>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(
            name,
            || expected.into(),
            violations,
            |value| match value {
                Json::String(text) => parse(text).ok_or(Code::Format),
                _ => Err(Code::WrongType),
            },
        )
    }

    fn read<T>(
        &self,
        name: &str,
        expected: impl FnOnce() -> Cow<'static, str>,
        violations: &mut Vec<Violation>,
        read: impl FnOnce(&'j Json<'j>) -> Result<T, Code>,
    ) -> Option<T> {
        let mut found = self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value);
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

fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::*;

    fn codes(payload: &str, read: impl FnOnce(Object<'_>, &mut Vec<Violation>)) -> Vec<(String, Code)> {
        let json = decode(payload.as_bytes()).unwrap();
        let mut violations = Vec::new();
        if let Some(object) = Object::of(&json, Place::Root, "an object", &mut violations) {
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
    fn a_uuid_is_hyphenated() {
        for text in ["bdd640fb06674ad19c80317fa3b1799d", "{bdd640fb-0667-4ad1-9c80-317fa3b1799d}", ""] {
            let noted = codes(&format!(r#"{{"id":"{text}"}}"#), |object, violations| {
                object.uuid("id", violations);
            });
            assert_eq!(noted, [("/id".to_owned(), Code::Format)], "{text}");
        }
    }
}
