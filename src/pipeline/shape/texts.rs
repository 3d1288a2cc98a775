//! Fields that are written as text.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::super::decode::Json;
use super::super::verdict::{Code, Violation};
use super::Object;
use crate::domain::parse_instant;

/// The most bytes of an id: a longer one could not be indexed.
const ID_BYTES: usize = 255;

impl<'j> Object<'j> {
    /// A required uuid in its hyphenated form, in any case.
    pub fn uuid(&self, name: &str, violations: &mut Vec<Violation>) -> Option<Uuid> {
        self.string(name, "a uuid", violations, |text| (text.len() == 36).then(|| Uuid::try_parse(text).ok())?)
    }

    /// A required ISO-8601 date and time within bounds, both inclusive; a naive one is UTC.
    pub fn instant(
        &self,
        name: &str,
        bounds: (DateTime<Utc>, DateTime<Utc>),
        violations: &mut Vec<Violation>,
    ) -> Option<DateTime<Utc>> {
        let instant = self.string(name, "an ISO-8601 date and time", violations, |text| parse_instant(text).ok())?;
        self.within(name, instant, bounds, violations)
    }

    /// A required time in milliseconds since 1970, as a JSON number, within bounds, both inclusive. Finer than a
    /// microsecond is cut off, since that is what Postgres keeps.
    pub fn unix_millis(
        &self,
        name: &str,
        bounds: (DateTime<Utc>, DateTime<Utc>),
        violations: &mut Vec<Violation>,
    ) -> Option<DateTime<Utc>> {
        let expected = || "milliseconds since 1970-01-01T00:00:00Z".into();
        let instant = self.read(name, expected, violations, |value| {
            let micros = match value {
                Json::Whole(millis) => millis.checked_mul(1000).and_then(|micros| i64::try_from(micros).ok()),
                Json::Float(millis) => return instant_of_millis(*millis).ok_or(Code::Range),
                _ => return Err(Code::WrongType),
            };
            micros.and_then(DateTime::from_timestamp_micros).ok_or(Code::Range)
        })?;
        self.within(name, instant, bounds, violations)
    }

    /// `instant` when it is within bounds, both inclusive.
    pub fn within(
        &self,
        name: &str,
        instant: DateTime<Utc>,
        (min, max): (DateTime<Utc>, DateTime<Utc>),
        violations: &mut Vec<Violation>,
    ) -> Option<DateTime<Utc>> {
        if (min..=max).contains(&instant) {
            return Some(instant);
        }
        let expected = format!("a time from {} to {}", rfc3339(min), rfc3339(max));
        violations.push(Violation::new(Code::Range, self.place.field(name), expected, &rfc3339(instant)));
        None
    }

    /// A required text whose length in bytes is within bounds, both inclusive. NUL, which Postgres does not
    /// keep, is a violation.
    pub fn text(&self, name: &str, (min, max): (usize, usize), violations: &mut Vec<Violation>) -> Option<&'j str> {
        let expected = || format!("a text of {min} to {max} bytes").into();
        self.read(name, expected, violations, |value| match value {
            Json::String(text) if text.contains('\0') => Err(Code::Format),
            Json::String(text) if (min..=max).contains(&text.len()) => Ok(&**text),
            Json::String(_) => Err(Code::Length),
            _ => Err(Code::WrongType),
        })
    }

    /// A required id as text: a string of 1 to 255 bytes without NUL, or a whole number.
    pub fn id(&self, name: &str, violations: &mut Vec<Violation>) -> Option<Cow<'j, str>> {
        let expected = || format!("an id: a text of 1 to {ID_BYTES} bytes, or a whole number").into();
        self.read(name, expected, violations, |value| match value {
            Json::Whole(number) => Ok(number.to_string().into()),
            Json::String(text) if text.contains('\0') => Err(Code::Format),
            Json::String(text) if (1..=ID_BYTES).contains(&text.len()) => Ok(Cow::Borrowed(&**text)),
            Json::String(_) => Err(Code::Length),
            _ => Err(Code::WrongType),
        })
    }

    /// A required string that `parse` understands.
    pub fn string<T>(
        &self,
        name: &str,
        expected: &'static str,
        violations: &mut Vec<Violation>,
        parse: impl FnOnce(&'j str) -> Option<T>,
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
}

/// A time in milliseconds since 1970. Finer than a microsecond is cut off.
#[must_use]
pub fn instant_of_millis(millis: f64) -> Option<DateTime<Utc>> {
    // Saturates, and what is that far away is no time.
    DateTime::from_timestamp_micros((millis * 1000.0).floor() as i64)
}

fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::codes;
    use super::*;

    #[test]
    fn a_uuid_is_hyphenated() {
        for text in ["bdd640fb06674ad19c80317fa3b1799d", "{bdd640fb-0667-4ad1-9c80-317fa3b1799d}", ""] {
            let noted = codes(&format!(r#"{{"id":"{text}"}}"#), |object, violations| {
                object.uuid("id", violations);
            });
            assert_eq!(noted, [("/id".to_owned(), Code::Format)], "{text}");
        }
    }

    #[test]
    fn milliseconds_are_whole_or_not() {
        let read = |json: &str| {
            let (mut read, year) = (None, |year| format!("{year}-01-01T00:00:00Z").parse().unwrap());
            let noted = codes(&format!(r#"{{"t":{json}}}"#), |object, violations| {
                read = object.unix_millis("t", (year(2000), year(2027)), violations);
            });
            noted.first().map_or_else(|| Ok(rfc3339(read.unwrap())), |(_, code)| Err(*code))
        };
        for (json, expected) in [
            ("1515546904352", Ok("2018-01-10T01:15:04.352Z")),
            ("1454361579158.9556", Ok("2016-02-01T21:19:39.158955Z")),
            ("1454284800000.0", Ok("2016-02-01T00:00:00Z")),
            ("1.4542848e12", Ok("2016-02-01T00:00:00Z")),
            ("946684799999.999", Err(Code::Range)),
            ("1454284800", Err(Code::Range)),
            ("-1e300", Err(Code::Range)),
            ("18446744073709551615", Err(Code::Range)),
            (r#""1515546904352""#, Err(Code::WrongType)),
            ("null", Err(Code::WrongType)),
        ] {
            assert_eq!(read(json), expected.map(str::to_owned), "{json}");
        }
    }

    #[test]
    fn texts_are_bounded_and_without_nul() {
        let code = |payload: &str| {
            let noted = codes(payload, |object, violations| {
                object.text("t", (1, 3), violations);
            });
            noted.first().map(|(_, code)| *code)
        };
        assert_eq!(code(r#"{"t":"abc"}"#), None);
        assert_eq!(code(r#"{"t":""}"#), Some(Code::Length));
        assert_eq!(code(r#"{"t":"éé"}"#), Some(Code::Length));
        assert_eq!(code(r#"{"t":"\u0000"}"#), Some(Code::Format));
        assert_eq!(code(r#"{"t":7}"#), Some(Code::WrongType));
    }

    #[test]
    fn an_id_is_a_text_or_a_whole_number() {
        let code = |payload: String| {
            let noted = codes(&payload, |object, violations| {
                object.id("i", violations);
            });
            noted.first().map(|(_, code)| *code)
        };
        assert_eq!(code(r#"{"i":-7147916473548193691}"#.to_owned()), None);
        assert_eq!(code(format!(r#"{{"i":"{}"}}"#, "i".repeat(255))), None);
        assert_eq!(code(format!(r#"{{"i":"{}"}}"#, "i".repeat(256))), Some(Code::Length));
        assert_eq!(code(r#"{"i":1.5}"#.to_owned()), Some(Code::WrongType));
    }
}
