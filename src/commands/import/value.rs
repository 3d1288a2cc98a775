//! A cell or field, as Postgres is to read it.

use std::borrow::Cow;
use std::str::FromStr as _;

use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::domain::{Clock, Zoned};

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A uuid, in any case.
    Uuid,
    /// A key of at least one character that an index can hold.
    Id,
    /// A text that an index can hold.
    Word,
    /// Any text.
    Text,
    /// An exact number.
    Number,
    /// A whole number.
    Whole,
    /// A date and time; without a zone it is one of the zone given.
    Instant,
}

/// The longest text that goes into an index, in bytes.
const WORD: usize = 255;

impl Type {
    /// The text that Postgres casts to the column's type, and what is to be said of its clock.
    pub(super) fn read(self, text: Cow<'_, str>, zone: Tz) -> Result<(Cow<'_, str>, Clock), String> {
        let read = match self {
            Type::Instant => {
                let zoned = Zoned::parse(&text, zone).map_err(|_| format!("not a date and time: {text}"))?;
                return Ok((zoned.instant.to_rfc3339().into(), zoned.clock));
            }
            Type::Text => text,
            Type::Word | Type::Id if text.len() > WORD => return Err(format!("longer than {WORD} bytes")),
            Type::Word | Type::Id => trimmed(text),
            Type::Uuid => {
                let id = uuid::Uuid::try_parse(text.trim()).map_err(|_| format!("not a uuid: {text}"))?;
                id.to_string().into()
            }
            Type::Number => number(&text)?.to_string().into(),
            Type::Whole => whole(&text)?.to_string().into(),
        };
        match read.contains('\0') {
            true => Err("Postgres keeps no NUL in text".to_owned()),
            false => Ok((read, Clock::Once)),
        }
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => text.trim().into(),
        Cow::Owned(text) if text.trim().len() == text.len() => text.into(),
        Cow::Owned(text) => text.trim().to_owned().into(),
    }
}

fn number(text: &str) -> Result<Decimal, String> {
    let number = Decimal::from_str(text.trim()).or_else(|_| Decimal::from_scientific(text.trim()));
    number.map_err(|_| format!("not a number: {text}"))
}

/// Spreadsheets write `2.0`, where a column has gaps.
fn whole(text: &str) -> Result<i32, String> {
    let wrong = || format!("not a whole number: {text}");
    let number = number(text).map_err(|_| wrong())?;
    i32::try_from(number.normalize()).ok().filter(|whole| Decimal::from(*whole) == number).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(r#type: Type, text: &str) -> Result<String, String> {
        r#type.read(text.into(), chrono_tz::America::Sao_Paulo).map(|(read, _)| read.into_owned())
    }

    #[test]
    fn values_are_written_as_postgres_reads_them() {
        let cases = [
            (Type::Text, " as it is ", " as it is "),
            (Type::Word, " iOS ", "iOS"),
            (Type::Uuid, "BDD640FB-0667-4AD1-9C80-317FA3B1799D", "bdd640fb-0667-4ad1-9c80-317fa3b1799d"),
            (Type::Number, " 44.530 ", "44.530"),
            (Type::Number, "1e2", "100"),
            (Type::Whole, "2.0", "2"),
            (Type::Whole, "-2147483648", "-2147483648"),
            (Type::Instant, "2016-01-03 13:55:00", "2016-01-03T15:55:00+00:00"),
        ];
        for (r#type, text, expected) in cases {
            assert_eq!(read(r#type, text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            (Type::Uuid, "7", "not a uuid: 7"),
            (Type::Number, "dear", "not a number: dear"),
            (Type::Whole, "2.5", "not a whole number: 2.5"),
            (Type::Whole, "2147483648", "not a whole number: 2147483648"),
            (Type::Instant, "soon", "not a date and time: soon"),
            (Type::Text, "a\0", "Postgres keeps no NUL in text"),
        ];
        for (r#type, text, expected) in cases {
            assert_eq!(read(r#type, text).unwrap_err(), expected, "{text}");
        }
        assert_eq!(read(Type::Id, &"x".repeat(256)).unwrap_err(), "longer than 255 bytes");
    }
}
