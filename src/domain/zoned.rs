//! Instants as files write them: often without a zone, in that of the shop.

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::instant::{NotAnInstant, parse_instant};

/// An instant, and what the clocks of its zone showed it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zoned {
    /// When it was.
    pub instant: DateTime<Utc>,
    /// Whether the text could mean no other.
    pub clock: Clock,
}

/// How often a clock on the wall shows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// As nearly always.
    Once,
    /// Never: it was put forward over it. Taken as if it had not been (RFC 5545, 3.3.5).
    Never,
    /// Two times: it was put back. Taken as the first of them (RFC 5545, 3.3.5).
    Twice,
}

impl Zoned {
    /// Reads a date and time; or a date, which means its midnight. Without a zone it is one of `zone`.
    ///
    /// # Errors
    /// Anything else, and years beyond four digits.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, NotAnInstant> {
        let text = text.trim();
        let zoned = match naive(text) {
            Some(naive) => local(naive, zone).ok_or(NotAnInstant)?,
            None => Zoned { instant: with_zone(text)?, clock: Clock::Once },
        };
        match YEARS.contains(&zoned.instant.timestamp()) {
            true => Ok(zoned),
            false => Err(NotAnInstant),
        }
    }
}

/// Seconds from the year 1 to the year 9999, with a day to spare at both ends.
const YEARS: std::ops::Range<i64> = -62_135_510_400..253_402_214_400;

fn naive(text: &str) -> Option<NaiveDateTime> {
    if text.len() == 10 {
        return Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let naive = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    // Finer than a microsecond is cut off, as Postgres would otherwise round it.
    DateTime::from_timestamp_micros(naive.and_utc().timestamp_micros()).map(|micros| micros.naive_utc())
}

/// As databases print it, too: `2016-01-03 13:55:00+00`, `2016-01-03 13:55:00 UTC`.
fn with_zone(text: &str) -> Result<DateTime<Utc>, NotAnInstant> {
    let text = text.replacen(' ', "T", 1);
    match text.strip_suffix(" UTC") {
        Some(utc) => parse_instant(&format!("{utc}Z")),
        None => parse_instant(&text),
    }
}

fn local(naive: NaiveDateTime, zone: Tz) -> Option<Zoned> {
    let (instant, clock) = match zone.from_local_datetime(&naive) {
        MappedLocalTime::Single(instant) => (instant.to_utc(), Clock::Once),
        MappedLocalTime::Ambiguous(first, second) => (first.min(second).to_utc(), Clock::Twice),
        MappedLocalTime::None => (as_before_the_gap(naive, zone)?, Clock::Never),
    };
    Some(Zoned { instant, clock })
}

/// With the offset that held a day before: no zone changes its clocks twice within two days.
fn as_before_the_gap(naive: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let day_before = naive.checked_sub_signed(TimeDelta::days(1))?;
    let offset = zone.from_utc_datetime(&day_before).naive_local().signed_duration_since(day_before);
    Some(naive.checked_sub_signed(offset)?.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;
    use chrono_tz::{America, Europe, Pacific};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, zone: Tz) -> (String, Clock) {
        let zoned = Zoned::parse(text, zone).unwrap();
        (zoned.instant.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(), zoned.clock)
    }

    #[test]
    fn forms_that_shops_and_databases_write() {
        let cases = [
            ("2016-01-03 13:55:00", "2016-01-03T15:55:00Z"),
            ("2016-07-03T13:55:00.25", "2016-07-03T16:55:00.250Z"),
            (" 2016-01-03 13:55 ", "2016-01-03T15:55:00Z"),
            ("2016-01-03", "2016-01-03T02:00:00Z"),
            ("2016-01-03 13:55:00+00", "2016-01-03T13:55:00Z"),
            ("2016-01-03 13:55:00.1234567 UTC", "2016-01-03T13:55:00.123456Z"),
            ("2016-01-03T13:55:00-02:00", "2016-01-03T15:55:00Z"),
            ("2016-01-03T13:55:00Z", "2016-01-03T13:55:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, America::Sao_Paulo), (expected.to_owned(), Clock::Once), "{text}");
        }
    }

    #[test]
    fn times_that_the_clock_skipped_or_showed_twice() {
        let cases = [
            // Clocks went from midnight to one o'clock on 16 October 2016, and back on 21 February.
            ("2016-10-16 00:30:00", America::Sao_Paulo, "2016-10-16T03:30:00Z", Clock::Never),
            ("2016-10-16", America::Sao_Paulo, "2016-10-16T03:00:00Z", Clock::Never),
            ("2016-10-16 01:00:00", America::Sao_Paulo, "2016-10-16T03:00:00Z", Clock::Once),
            ("2016-02-20 23:30:00", America::Sao_Paulo, "2016-02-21T01:30:00Z", Clock::Twice),
            ("2026-10-25 02:00:00", Europe::Stockholm, "2026-10-25T00:00:00Z", Clock::Twice),
            ("2026-10-25 03:00:00", Europe::Stockholm, "2026-10-25T02:00:00Z", Clock::Once),
            // A whole day was left out.
            ("2011-12-30 12:00:00", Pacific::Apia, "2011-12-30T22:00:00Z", Clock::Never),
        ];
        for (text, zone, instant, clock) in cases {
            assert_eq!(read(text, zone), (instant.to_owned(), clock), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant() {
        for text in ["", "yesterday", "03/01/2016", "2016-02-30", "1451829300", "0000-01-01", "+12345-01-01 00:00:00"] {
            assert_eq!(Zoned::parse(text, Tz::UTC), Err(NotAnInstant), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_shown_once_is_the_one_that_shows_it(seconds in 0_i64..4_000_000_000) {
            let instant = DateTime::from_timestamp(seconds, 0).unwrap();
            let shown = instant.with_timezone(&America::Sao_Paulo).naive_local();
            let read = Zoned::parse(&shown.to_string(), America::Sao_Paulo).unwrap();
            prop_assert!(read.instant == instant || read.clock == Clock::Twice);
            prop_assert_ne!(read.clock, Clock::Never);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", naive in any::<i64>()) {
            let _ = Zoned::parse(&text, America::Sao_Paulo);
            if let Some(naive) = DateTime::from_timestamp_micros(naive) {
                let naive: NaiveDateTime = naive.naive_utc();
                let _ = Zoned::parse(&naive.to_string(), America::Sao_Paulo);
            }
        }
    }
}
