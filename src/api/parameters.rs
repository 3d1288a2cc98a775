//! Parameters of a query: every wrong one is named at once, unknown ones included.

mod body;
mod cursor;
mod dates;
mod span;

use std::convert::Infallible;
use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use serde_json::{Map, Value};

use super::period::{Grain, Period};
use super::problem::{Fault, Problem};
use crate::domain::parse_instant;

pub(super) use cursor::write_cursor;
pub(super) use dates::Dates;
pub(super) use span::Span;

/// The parameters that were given. Reading one takes it out and, where it cannot be used, takes a note;
/// [`Query::finish`] then turns notes and leftovers into one answer.
#[derive(Debug, Default)]
pub(crate) struct Query {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Query::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    pub(crate) fn of(query: &str) -> Self {
        let given = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Query { given, ..Query::default() }
    }

    /// The members of a JSON object, to be read as if they stood in a query: texts and numbers as they are, null
    /// as if it was not there.
    pub(crate) fn of_json(body: &[u8]) -> Result<Self, Problem> {
        Self::of_json_with(body, std::convert::identity)
    }

    /// The same, where `known` may make a text or a number of what is neither.
    pub(crate) fn of_json_with(body: &[u8], known: impl Fn(Value) -> Value) -> Result<Self, Problem> {
        let body: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            let fault = Fault::parameter("invalid_json", "body", "a JSON object", &error.to_string());
            Problem::parameters(vec![fault])
        })?;
        let mut query = Query::default();
        for (name, value) in body {
            match known(value) {
                Value::String(text) => query.given.push((name, text)),
                Value::Number(number) => query.given.push((name, number.to_string())),
                Value::Null => {}
                other => query.fault("wrong_type", &name, "a text or a number", other),
            }
        }
        Ok(query)
    }

    /// Whatever `read` understands, and it must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.given.iter().any(|(given, _)| given == name);
        if !given && !self.faults.iter().any(|fault| fault.is_about(name)) {
            self.fault("missing", name, expected, "nothing");
        }
        self.read(name, expected, read)
    }

    /// Any text that Postgres can hold.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, "a text without NUL", |text| (!text.contains('\0')).then(|| text.to_owned()))
    }

    /// Whatever `read` understands.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.take(name)?;
        self.or_fault(read(&text), "format", name, expected, &text)
    }

    /// A name: text of 1 to 255 bytes besides the blanks around it, and without NUL, which Postgres does not take.
    pub(crate) fn name(&mut self, name: &'static str) -> Option<String> {
        self.read(name, "a text of 1 to 255 bytes", |text| {
            let text = text.trim();
            ((1..=255).contains(&text.len()) && !text.contains('\0')).then(|| text.to_owned())
        })
    }

    /// One of a closed set of words, in any case.
    pub(crate) fn one_of(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.take(name)?;
        let word = words.iter().find(|word| word.eq_ignore_ascii_case(&text)).copied();
        self.or_fault(word, "format", name, format!("one of {}", words.join(", ")), &text)
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&mut self, name: &'static str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let text = self.take(name)?;
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.or_fault(number, "range", name, expected, &text)
    }

    /// `from` (inclusive) and `to` (exclusive): RFC 3339 or a date, on whole hours, since rollups are hourly.
    pub(crate) fn period(&mut self) -> Period {
        let (from, to) = (self.hour("from"), self.hour("to"));
        self.in_order(from, to);
        Period { from, to }
    }

    /// Says everything that is wrong at once.
    ///
    /// # Errors
    /// 400 when a parameter could not be used, stands twice, or is not known here.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let expected = match self.known.as_slice() {
            [] => "no parameters".to_owned(),
            known => format!("only {}", known.join(", ")),
        };
        for (name, value) in std::mem::take(&mut self.given) {
            self.faults.push(Fault::parameter("unknown_parameter", &name, &expected, &value));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::parameters(self.faults)) }
    }

    fn in_order(&mut self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        if let Some((from, to)) = from.zip(to).filter(|(from, to)| from >= to) {
            let expected = format!("an instant after from, {}", from.to_rfc3339());
            self.fault("range", "to", expected, to.to_rfc3339());
        }
    }

    fn hour(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let instant = self.instant(name)?;
        let hour = Some(instant).filter(|instant| Grain::Hour.start(*instant) == *instant);
        let expected = "a whole hour (UTC), because sums are kept by the hour";
        self.or_fault(hour, "not_a_whole_hour", name, expected, &instant.to_rfc3339())
    }

    fn instant(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let text = self.take(name)?;
        self.or_fault(instant(&text), "format", name, "a date or an RFC 3339 time, years 1 to 9999", &text)
    }

    fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let (named, rest) = std::mem::take(&mut self.given).into_iter().partition(|(given, _)| given == name);
        self.given = rest;
        let mut values: Vec<String> = Vec::into_iter(named).map(|(_, value)| value).collect();
        if values.len() > 1 {
            self.fault("repeated", name, "to stand once", values.join(", "));
        }
        values.pop()
    }

    fn or_fault<T>(
        &mut self,
        value: Option<T>,
        code: &'static str,
        name: &'static str,
        expected: impl Into<String>,
        actual: &str,
    ) -> Option<T> {
        if value.is_none() {
            self.fault(code, name, expected, actual);
        }
        value
    }

    pub(crate) fn fault(&mut self, code: &'static str, name: &str, expected: impl Into<String>, actual: impl Display) {
        self.faults.push(Fault::parameter(code, name, expected, &actual.to_string()));
    }
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN).and_utc());
    // The + of a zone, sent unescaped, has become a space.
    let unescaped = || text.rsplit_once(' ').and_then(|(time, zone)| parse_instant(&format!("{time}+{zone}")).ok());
    let instant = date.ok().or_else(|| parse_instant(text).ok()).or_else(unescaped);
    instant.filter(|instant| (1..=9999).contains(&instant.year()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads what `/articles/top` does, and gives the wrong parameters as `name code`.
    fn wrong(query: &str) -> Vec<String> {
        let mut query = Query::of(query);
        query.period();
        query.whole("limit", 1..=1000);
        query.one_of("bucket", &Grain::WORDS);
        let Err(problem) = query.finish() else { return Vec::new() };
        let problem = serde_json::to_value(problem).unwrap();
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| format!("{} {}", error["parameter"], error["code"]).replace('"', "")).collect()
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("from=2022-01-07&to=2022-01-07T01:00:00Z&limit=1000&bucket=DAY", &[]),
            ("from=2022-01-07T02:00:00+02:00", &[]),
            ("from=2022-01-07T02:00:00%2B02:00", &[]),
            ("from=2022-01-07T22:30:00Z", &["from not_a_whole_hour"]),
            ("from=2022-01-07T02:00:00%2B05:30", &["from not_a_whole_hour"]),
            ("from=2022-01-07&to=2022-01-07", &["to range"]),
            ("from=", &["from format"]),
            ("from=-10000-01-01T00:00:00", &["from format"]),
            ("limit=0&limit=1", &["limit repeated"]),
            ("limit=1001&bucket=week", &["limit range", "bucket format"]),
            (
                "from=x&to=y&limit=z&From=2022-01-01",
                &["from format", "to format", "limit range", "From unknown_parameter"],
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(wrong(query), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "(from|to|limit|bucket)=\\PC*&\\PC*") {
            wrong(&query);
        }
    }
}
