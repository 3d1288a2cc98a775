//! Texts that stand for a value: what is read is the same when it is written down and read again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::{America, Pacific, Tz};
use purser::domain::{Platform, Split, State, Zoned, parse_day_or_instant, parse_instant};

/// Any text as every value that is read out of text.
pub fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    instants(text);
    zoned(text);
    platform(text);
    split(text);
    let _ = State::of_address(text);
}

fn instants(text: &str) {
    if let Ok(instant) = parse_instant(text) {
        assert_eq!(parse_day_or_instant(text), Ok(instant), "a day or an instant is an instant");
        is_whole_microseconds(instant);
    }
}

fn zoned(text: &str) {
    for zone in [Tz::UTC, America::Sao_Paulo, Pacific::Apia] {
        if let Ok(zoned) = Zoned::parse(text, zone) {
            is_whole_microseconds(zoned.instant);
            let written = zoned.instant.to_rfc3339();
            assert_eq!(Zoned::parse(&written, zone).map(|again| again.instant), Ok(zoned.instant), "{written}");
        }
    }
}

/// Finer is what Postgres does not keep.
fn is_whole_microseconds(instant: DateTime<Utc>) {
    assert_eq!(instant.timestamp_subsec_nanos() % 1000, 0);
}

fn platform(text: &str) {
    if let Some(platform) = Platform::parse(text) {
        assert_eq!(Platform::parse(platform.as_str()).as_ref(), Some(&platform), "a canonical spelling is its own");
        assert_eq!(Platform::canonical(text), platform.as_str());
    }
    if let Some(platform) = Platform::of_path(text) {
        assert_eq!(Platform::parse(platform.as_str()), Some(platform), "a path tells of a platform");
    }
}

fn split(text: &str) {
    let Ok(split) = text.parse::<Split>() else { return };
    let shares = split.shares(&BTreeSet::from(["A", "B"]));
    let sum: f64 = shares.values().sum();
    assert!((sum - 1.0).abs() < 1e-9, "the shares of {text:?} are {sum} together");
    assert!(shares.values().all(|share| share.is_finite() && *share >= 0.0), "{shares:?}");
}
