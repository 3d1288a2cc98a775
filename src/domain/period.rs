//! The periods (UTC) that rollups sum over.

use chrono::{DateTime, Datelike as _, DurationRound as _, TimeDelta, Utc};

/// The whole hour that an instant falls in.
#[must_use]
pub fn start_of_hour(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.duration_trunc(TimeDelta::hours(1)).unwrap_or(instant)
}

/// The midnight before an instant.
#[must_use]
pub fn start_of_day(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.duration_trunc(TimeDelta::days(1)).unwrap_or(instant)
}

/// The midnight before the first day of an instant's month.
#[must_use]
pub fn start_of_month(instant: DateTime<Utc>) -> DateTime<Utc> {
    let day = start_of_day(instant);
    day.with_day(1).unwrap_or(day)
}
