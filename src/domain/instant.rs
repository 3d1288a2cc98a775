//! Instants as the wire writes them.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// The text is not an ISO-8601 date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO-8601 date and time")]
pub struct NotAnInstant;

/// Reads an ISO-8601 date and time, with a zone or naive. A naive one is taken as UTC.
///
/// Finer than a microsecond is cut off, since that is what Postgres keeps.
///
/// # Errors
/// Anything else, a date without a time included.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, NotAnInstant> {
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .map(|instant| instant.with_timezone(&Utc));
    let instant = zoned.or_else(|_| naive(text).map(|naive| naive.and_utc()))?;
    DateTime::from_timestamp_micros(instant.timestamp_micros()).ok_or(NotAnInstant)
}

/// Reads an ISO-8601 date, which stands for its midnight in UTC, or a date and time as [`parse_instant`] does.
///
/// # Errors
/// Anything else.
pub fn parse_day_or_instant(text: &str) -> Result<DateTime<Utc>, NotAnInstant> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN).and_utc());
    day.or_else(|_| parse_instant(text))
}

/// Reads what [`parse_day_or_instant`] does, or an age: a whole number of `s`, `m`, `h`, `d` or `w` (seconds to
/// weeks) before `now`.
///
/// # Errors
/// Anything else, and what is not in the years 1 to 9999.
pub fn parse_instant_or_age(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, NotAnInstant> {
    let aged = parse_age(text).and_then(|age| now.checked_sub_signed(age));
    let instant = aged.map_or_else(|| parse_day_or_instant(text), Ok)?;
    Some(instant).filter(|instant| (1..=9999).contains(&instant.year())).ok_or(NotAnInstant)
}

/// Reads `90s`, `15m`, `2h`, `7d` or `1w`.
#[must_use]
pub fn parse_age(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    let number: u32 = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    TimeDelta::try_seconds(i64::from(number) * seconds)
}

fn naive(text: &str) -> Result<NaiveDateTime, NotAnInstant> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .ok_or(NotAnInstant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zoned_and_naive_forms() {
        let cases = [
            ("2022-01-07T22:30:01.124316", "2022-01-07T22:30:01.124316Z"),
            ("2022-01-07 22:30:01", "2022-01-07T22:30:01Z"),
            ("2022-01-07T22:30:01Z", "2022-01-07T22:30:01Z"),
            ("2022-01-07T22:30:01+02:00", "2022-01-07T20:30:01Z"),
            ("2022-01-07T22:30:01+0200", "2022-01-07T20:30:01Z"),
            ("2022-01-07T22:30:01.1234567Z", "2022-01-07T22:30:01.123456Z"),
        ];
        for (text, expected) in cases {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(parse_instant(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_day_is_its_midnight() {
        assert_eq!(parse_day_or_instant("2022-01-07"), parse_instant("2022-01-07T00:00:00Z"));
        assert_eq!(parse_day_or_instant("2022-01-07 22:30:01"), parse_instant("2022-01-07T22:30:01Z"));
        for text in ["", "2022-1-7 ", "2022-02-30", "07.01.2022", "2022-01", "today"] {
            assert_eq!(parse_day_or_instant(text), Err(NotAnInstant), "{text}");
        }
    }

    #[test]
    fn an_age_is_before_now() {
        let now = parse_instant("2022-01-08T00:00:00Z").unwrap();
        let cases = [
            ("90s", "2022-01-07T23:58:30Z"),
            ("5m", "2022-01-07T23:55:00Z"),
            ("2h", "2022-01-07T22:00:00Z"),
            ("3d", "2022-01-05T00:00:00Z"),
            ("1w", "2022-01-01T00:00:00Z"),
            ("0s", "2022-01-08T00:00:00Z"),
            ("2022-01-07", "2022-01-07T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_instant_or_age(text, now), parse_instant(expected), "{text}");
        }
        for text in ["", "h", "-2h", "+2h", "2 h", "1.5h", "2H", "2y", "4294967295w", "99999999999s", "9999999d", "ß"]
        {
            assert_eq!(parse_instant_or_age(text, now), Err(NotAnInstant), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant() {
        for text in ["", "yesterday", "2022-01-07", "2022-13-07T22:30:01", "1641594601", "+262143-01-01T00:00:00Z0"] {
            assert_eq!(parse_instant(text), Err(NotAnInstant), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse_instant(&text);
        }

        #[test]
        fn what_is_written_is_read_back(micros in 0_i64..253_402_300_799_000_000) {
            let instant = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(parse_instant(&instant.to_rfc3339()), Ok(instant));
            prop_assert_eq!(parse_instant(&instant.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()), Ok(instant));
        }
    }
}
