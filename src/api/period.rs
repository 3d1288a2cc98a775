//! A period of time, cut into what the rollups sum up: whole months, whole days, and hours at its ends.

use chrono::{DateTime, Months, TimeDelta, Utc};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{start_of_day, start_of_hour, start_of_month};

/// From an instant (inclusive) to another (exclusive). An absent end is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// Start of the period, inclusive: a date or an RFC 3339 time on a whole hour (UTC). Default: no start.
    #[param(value_type = Option<String>, example = "2026-11-01")]
    pub(crate) from: Option<DateTime<Utc>>,
    /// End of the period, exclusive: a date or an RFC 3339 time on a whole hour (UTC). Default: no end.
    #[param(value_type = Option<String>, example = "2026-12-01T00:00:00Z")]
    pub(crate) to: Option<DateTime<Utc>>,
}

/// The length (UTC) of the periods that a row of a rollup sums up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Grain {
    Hour,
    Day,
    Month,
}

impl Grain {
    pub(crate) const WORDS: [&'static str; 3] = ["hour", "day", "month"];

    pub(crate) fn named(word: &str) -> Option<Self> {
        [Grain::Hour, Grain::Day, Grain::Month].into_iter().find(|grain| grain.as_str() == word)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Grain::Hour => "hour",
            Grain::Day => "day",
            Grain::Month => "month",
        }
    }

    /// The start of the hour, day or month that an instant falls in.
    pub(crate) fn start(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Grain::Hour => start_of_hour(instant),
            Grain::Day => start_of_day(instant),
            Grain::Month => start_of_month(instant),
        }
    }

    /// The start of the hour, day or month after the one that an instant falls in.
    pub(crate) fn next(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let start = self.start(instant);
        let next = match self {
            Grain::Hour => start.checked_add_signed(TimeDelta::hours(1)),
            Grain::Day => start.checked_add_signed(TimeDelta::days(1)),
            Grain::Month => start.checked_add_months(Months::new(1)),
        };
        next.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn finer(self) -> Option<Self> {
        match self {
            Grain::Hour => None,
            Grain::Day => Some(Grain::Hour),
            Grain::Month => Some(Grain::Day),
        }
    }
}

/// The parts of a period as three columns, to be bound as arrays and joined with a rollup. A null is an
/// open end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segments {
    pub(crate) grains: Vec<&'static str>,
    pub(crate) froms: Vec<Option<DateTime<Utc>>>,
    pub(crate) tos: Vec<Option<DateTime<Utc>>>,
}

impl Segments {
    /// Covers a period, whose ends are whole hours, exactly once, with as few and as coarse parts as possible,
    /// none coarser than `coarsest`: at most five.
    pub(crate) fn cut(period: Period, coarsest: Grain) -> Self {
        let mut segments = Segments::default();
        segments.add(period, coarsest);
        segments
    }

    fn add(&mut self, Period { from, to }: Period, grain: Grain) {
        if is_empty(from, to) {
            return;
        }
        let Some(finer) = grain.finer() else { return self.push(grain, from, to) };
        let first = from.map(|from| if grain.start(from) == from { from } else { grain.next(from) });
        let last = to.map(|to| grain.start(to));
        if is_empty(first, last) {
            return self.add(Period { from, to }, finer);
        }
        if first.is_some() {
            self.add(Period { from, to: first }, finer);
        }
        self.push(grain, first, last);
        if last.is_some() {
            self.add(Period { from: last, to }, finer);
        }
    }

    fn push(&mut self, grain: Grain, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        self.grains.push(grain.as_str());
        self.froms.push(from);
        self.tos.push(to);
    }
}

fn is_empty(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> bool {
    from.zip(to).is_some_and(|(from, to)| from >= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hour(text: &str) -> Option<DateTime<Utc>> {
        (!text.is_empty()).then(|| format!("{text}:00:00Z").parse().unwrap())
    }

    type Cut = (&'static str, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

    fn cut(from: &str, to: &str) -> Vec<Cut> {
        let Segments { grains, froms, tos } = Segments::cut(Period { from: hour(from), to: hour(to) }, Grain::Month);
        grains.into_iter().zip(froms).zip(tos).map(|((grain, from), to)| (grain, from, to)).collect()
    }

    #[test]
    fn open_ends_are_months() {
        assert_eq!(cut("", ""), [("month", None, None)]);
        let after = [
            ("hour", hour("2022-01-30T22"), hour("2022-01-31T00")),
            ("day", hour("2022-01-31T00"), hour("2022-02-01T00")),
            ("month", hour("2022-02-01T00"), None),
        ];
        assert_eq!(cut("2022-01-30T22", ""), after);
        let before = [("month", None, hour("2022-02-01T00")), ("day", hour("2022-02-01T00"), hour("2022-02-03T00"))];
        assert_eq!(cut("", "2022-02-03T00"), before);
    }

    #[test]
    fn both_ends_are_cut_finer() {
        let parts = [
            ("hour", hour("2021-12-30T22"), hour("2021-12-31T00")),
            ("day", hour("2021-12-31T00"), hour("2022-01-01T00")),
            ("month", hour("2022-01-01T00"), hour("2022-03-01T00")),
            ("day", hour("2022-03-01T00"), hour("2022-03-02T00")),
            ("hour", hour("2022-03-02T00"), hour("2022-03-02T05")),
        ];
        assert_eq!(cut("2021-12-30T22", "2022-03-02T05"), parts);
        assert_eq!(cut("2022-01-31T23", "2022-02-01T01"), [("hour", hour("2022-01-31T23"), hour("2022-02-01T01"))]);
    }

    proptest! {
        #[test]
        fn segments_follow_each_other_aligned_from_end_to_end(
            from in proptest::option::of(262_968_i64..403_224),
            hours in proptest::option::of(1_i64..40_000),
            coarsest in proptest::sample::select(&[Grain::Hour, Grain::Day, Grain::Month]),
        ) {
            let instant = |hour: i64| DateTime::from_timestamp(hour * 3600, 0).unwrap();
            let to = hours.map(|hours| instant(from.unwrap_or(300_000) + hours));
            let period = Period { from: from.map(instant), to };
            let Segments { grains, froms, tos } = Segments::cut(period, coarsest);
            prop_assert!((1..=5).contains(&grains.len()));
            // The first begins where the period does, each where the one before ended, the last ends with it.
            let mut ends = vec![period.from];
            ends.extend(&tos);
            prop_assert_eq!(&ends[..froms.len()], &froms);
            prop_assert_eq!(tos.last(), Some(&period.to));
            for ((grain, from), to) in grains.iter().zip(&froms).zip(&tos) {
                let grain = Grain::named(grain).unwrap();
                prop_assert!(grain as u8 <= coarsest as u8);
                for end in [from, to].into_iter().flatten() {
                    prop_assert_eq!(grain.start(*end), *end);
                }
                prop_assert!(from.zip(*to).is_none_or(|(from, to)| from < to));
            }
        }
    }
}
