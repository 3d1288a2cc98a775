//! `start_date` and `end_date`: a period whose ends both belong to it.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use utoipa::IntoParams;

use super::{Query, instant};

/// From an instant (inclusive) to another (exclusive), the one right behind what was given as the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Dates {
    /// Start of the period, inclusive: a date, or an RFC 3339 time. Default: no start.
    #[param(rename = "start_date", value_type = Option<String>, example = "2020-06-01")]
    pub(crate) from: Option<DateTime<Utc>>,
    /// End of the period, inclusive: a date, with all of its day (UTC), or an RFC 3339 time. Default: no end.
    #[param(rename = "end_date", value_type = Option<String>, example = "2020-07-31")]
    pub(crate) to: Option<DateTime<Utc>>,
}

impl Query {
    /// `start_date` and `end_date`, both inclusive: RFC 3339, or a date, which as an end is the whole day (UTC).
    pub(crate) fn dates(&mut self) -> Dates {
        let (from, last) = (self.date("start_date", TimeDelta::zero()), self.date("end_date", TimeDelta::days(1)));
        let to = last.map(|(_, to)| to);
        if let Some(((from, _), (last, _))) = from.zip(last).filter(|((from, _), (_, to))| from >= to) {
            let expected = format!("no instant before start_date, {}", from.to_rfc3339());
            self.fault("range", "end_date", expected, last.to_rfc3339());
        }
        Dates { from: from.map(|(from, _)| from), to }
    }

    /// An instant, and the one behind it: behind a date there is all of `day`, behind a time nothing but itself.
    fn date(&mut self, name: &'static str, day: TimeDelta) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let text = self.take(name)?;
        let start = instant(&text);
        let start = self.or_fault(start, "format", name, "a date or an RFC 3339 time, years 1 to 9999", &text)?;
        let is_date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_ok();
        Some((start, start + if is_date { day } else { TimeDelta::microseconds(1) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The period as `from to`, or the wrong parameters.
    fn read(query: &str) -> Result<(String, String), Vec<String>> {
        let mut query = Query::of(query);
        let period = query.dates();
        query.finish().map_err(|problem| {
            let problem = serde_json::to_value(problem).unwrap();
            let errors = problem["errors"].as_array().unwrap().iter();
            errors.map(|error| format!("{} {}", error["parameter"], error["code"]).replace('"', "")).collect::<Vec<_>>()
        })?;
        let text =
            |end: Option<DateTime<Utc>>| end.map(|end| end.format("%m-%dT%T%.f").to_string()).unwrap_or_default();
        Ok((text(period.from), text(period.to)))
    }

    #[test]
    fn both_ends_belong_to_it() {
        for (query, from, to) in [
            ("", "", ""),
            ("start_date=2020-07-12", "07-12T00:00:00", ""),
            ("end_date=2020-07-12", "", "07-13T00:00:00"),
            ("start_date=2020-07-12&end_date=2020-07-12", "07-12T00:00:00", "07-13T00:00:00"),
            (
                "start_date=2020-07-12T10:00:00%2B02:00&end_date=2020-07-12T08:00:00Z",
                "07-12T08:00:00",
                "07-12T08:00:00.000001",
            ),
            ("start_date=2020-07-12T23:59:59Z&end_date=2020-07-12", "07-12T23:59:59", "07-13T00:00:00"),
        ] {
            assert_eq!(read(query), Ok((from.to_owned(), to.to_owned())), "{query}");
        }
    }

    #[test]
    fn wrong_ends_are_named() {
        for (query, wrong) in [
            ("start_date=2020-07-13&end_date=2020-07-12", &["end_date range"][..]),
            ("start_date=2020-07-12T10:00:01Z&end_date=2020-07-12T10:00:00Z", &["end_date range"]),
            ("start_date=yesterday&end_date=2020-02-30", &["start_date format", "end_date format"]),
            ("start_date=10000-01-01&end_date=", &["start_date format", "end_date format"]),
            ("from=2020-07-12", &["from unknown_parameter"]),
        ] {
            assert_eq!(read(query), Err(wrong.iter().map(|&text| text.to_owned()).collect()), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_dates_make_it_panic(start in "\\PC*|[0-9]{4,5}-12-31", end in "\\PC*|9999-12-31(T23:59:59.9999999Z)?") {
            let mut query = Query::of("");
            query.given = vec![("start_date".to_owned(), start), ("end_date".to_owned(), end)];
            query.dates();
        }
    }
}
