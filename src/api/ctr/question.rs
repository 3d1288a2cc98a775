//! What is asked: a period on the clocks of a zone, cut into buckets.

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use utoipa::{IntoParams, ToSchema};

use crate::api::parameters::Query;
use crate::api::problem::Problem;
use crate::domain::Platform;

/// The parameters, as the document has them.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(super) struct Parameters {
    /// Start of the period, inclusive: `YYYY-MM-DD hh:mm:ss` on the clocks of `tz`.
    #[param(rename = "startTimestamp", example = "2016-01-03 13:55:00")]
    #[schema(example = "2016-01-03 13:55:00")]
    start_timestamp: String,
    /// End of the period, exclusive, written alike.
    #[param(rename = "endTimestamp", example = "2016-01-03 14:55:00")]
    #[schema(example = "2016-01-03 14:55:00")]
    end_timestamp: String,
    /// Length of a bucket in minutes.
    #[param(minimum = 1, maximum = 52560000, example = 10)]
    #[schema(minimum = 1, maximum = 52560000, example = 10)]
    aggregation: i64,
    /// Only this product. Default: every product.
    product: Option<String>,
    /// Only this platform, in any case. Default: every platform.
    platform: Option<String>,
    /// IANA name of the zone that times are read and answered in. Default: `UTC`.
    #[param(example = "America/Sao_Paulo")]
    #[schema(example = "America/Sao_Paulo")]
    tz: Option<String>,
}

/// A question that can be answered.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) start: DateTime<Utc>,
    /// After the start; exclusive.
    pub(super) end: DateTime<Utc>,
    aggregation: TimeDelta,
    zone: Tz,
    pub(super) product: Option<String>,
    /// In its canonical spelling.
    pub(super) platform: Option<String>,
}

/// The longest bucket, in minutes: a hundred years.
const LONGEST: i64 = 52_560_000;

impl Question {
    /// Takes it out of a request.
    ///
    /// # Errors
    /// 400 that names every parameter that is missing or cannot be used.
    pub(super) fn read(mut query: Query) -> Result<Self, Problem> {
        let zone = query.read("tz", "an IANA time zone, such as America/Sao_Paulo", |name| name.parse().ok());
        let zone = zone.unwrap_or(Tz::UTC);
        let expected = format!("a time on the clocks of {zone}, written YYYY-MM-DD hh:mm:ss");
        let start = query.required("startTimestamp", &expected, |text| instant(text, zone));
        let end = query.required("endTimestamp", &expected, |text| instant(text, zone));
        if start.zip(end).is_some_and(|(start, end)| start >= end) {
            let (expected, actual) = ("a time after startTimestamp", label(zone, end.unwrap_or_default()));
            query.fault("range", "endTimestamp", expected, actual);
        }
        let expected = format!("a whole number of minutes from 1 to {LONGEST}");
        let minutes = |text: &str| text.parse().ok().filter(|minutes| (1..=LONGEST).contains(minutes));
        let minutes = query.required("aggregation", &expected, minutes);
        let (product, platform) = (query.text("product"), query.text("platform"));
        let platform = platform.map(|platform| Platform::canonical(&platform).into_owned());
        query.finish()?;
        let (Some(start), Some(end), Some(minutes)) = (start, end, minutes) else { return Err(Problem::fault()) };
        Ok(Question { start, end, aggregation: TimeDelta::minutes(minutes), zone, product, platform })
    }

    /// The number of the bucket, from 0, that an instant of the period falls in.
    pub(super) fn bucket(&self, at: DateTime<Utc>) -> i64 {
        (at - self.start).num_microseconds().unwrap_or(i64::MAX) / self.bucket_micros()
    }

    /// How many buckets there are, empty ones included.
    pub(super) fn buckets(&self) -> i64 {
        self.bucket(self.end - TimeDelta::microseconds(1)) + 1
    }

    /// The length of a bucket in microseconds.
    pub(super) fn bucket_micros(&self) -> i64 {
        self.aggregation.num_microseconds().unwrap_or(i64::MAX)
    }

    /// When a bucket begins, as the answer writes it.
    pub(super) fn label(&self, bucket: i64) -> String {
        let since = self.aggregation.num_minutes().checked_mul(bucket).and_then(TimeDelta::try_minutes);
        label(self.zone, since.and_then(|since| self.start.checked_add_signed(since)).unwrap_or(self.start))
    }
}

fn label(zone: Tz, at: DateTime<Utc>) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time on the clocks of a zone. Where they show it twice it is the earlier one; where they skip it, there
/// is no such time.
fn instant(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let naive = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
    let naive = naive.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    let in_years = (1..=9999).contains(&naive.year());
    in_years.then(|| zone.from_local_datetime(&naive).earliest())?.map(|local| local.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str) -> Result<Question, Vec<String>> {
        Question::read(Query::of(query)).map_err(|problem| {
            let problem = serde_json::to_value(problem).unwrap();
            let errors = problem["errors"].as_array().unwrap().iter();
            errors.map(|error| format!("{} {}", error["parameter"], error["code"]).replace('"', "")).collect()
        })
    }

    fn labels(query: &str, buckets: i64) -> Vec<String> {
        let question = question(query).unwrap();
        (0..buckets).map(|bucket| question.label(bucket)[11..].to_owned()).collect()
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let period = "startTimestamp=2016-01-03%2013:55:00&endTimestamp=2016-01-03T14:55:00";
        let cases: [(String, &[&str]); 8] = [
            (format!("{period}&aggregation=1"), &[]),
            ("".into(), &["startTimestamp missing", "endTimestamp missing", "aggregation missing"]),
            (format!("{period}&aggregation=0"), &["aggregation format"]),
            (format!("{period}&aggregation=1.5&tz=Mars"), &["tz format", "aggregation format"]),
            (format!("{period}&aggregation=52560001&x=1"), &["aggregation format", "x unknown_parameter"]),
            (
                format!("{period}&aggregation=1&product=%00&platform=a&platform=b"),
                &["product format", "platform repeated"],
            ),
            (
                "startTimestamp=2016-01-03&endTimestamp=2016-01-03 24:00:00&aggregation=5".into(),
                &["startTimestamp format", "endTimestamp format"],
            ),
            (
                "startTimestamp=2016-01-03 13:55:00&endTimestamp=2016-01-03 13:55:00&aggregation=5".into(),
                &["endTimestamp range"],
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(question(&query).err().unwrap_or_default(), expected, "{query}");
        }
    }

    #[test]
    fn times_that_the_clocks_skip_are_none_and_those_they_repeat_are_the_earlier() {
        let berlin = |start: &str| {
            question(&format!(
                "startTimestamp={start}&endTimestamp=2017-01-01 00:00:00&aggregation=60&tz=Europe/Berlin"
            ))
        };
        assert_eq!(berlin("2016-03-27 02:30:00").unwrap_err(), ["startTimestamp format"]);
        let start = berlin("2016-10-30 02:30:00").unwrap().start;
        assert_eq!(start, "2016-10-30T00:30:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn buckets_are_equally_long_whatever_the_clocks_do() {
        let day = |date, minutes| {
            format!(
                "startTimestamp={date} 00:30:07&endTimestamp=2017-01-01 00:00:00&aggregation={minutes}&tz=Europe/Berlin"
            )
        };
        assert_eq!(labels(&day("2016-03-27", 60), 4), ["00:30:07", "01:30:07", "03:30:07", "04:30:07"]);
        assert_eq!(labels(&day("2016-10-30", 60), 4), ["00:30:07", "01:30:07", "02:30:07", "02:30:07"]);
        assert_eq!(labels(&day("2016-10-30", 1440), 2), ["00:30:07", "23:30:07"]);
    }

    #[test]
    fn an_instant_falls_into_its_bucket_to_the_microsecond() {
        let question =
            question("startTimestamp=2016-01-03 13:55:07&endTimestamp=2016-01-03 14:55:00&aggregation=10").unwrap();
        let bucket = |time: &str| question.bucket(format!("2016-01-03T{time}Z").parse().unwrap());
        assert_eq!(["13:55:07", "14:05:06.999999", "14:05:07", "14:54:59.999999"].map(bucket), [0, 0, 1, 5]);
        assert_eq!((question.buckets(), question.bucket_micros()), (6, 600_000_000));
    }
}
