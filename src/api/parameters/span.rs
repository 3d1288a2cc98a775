//! `from` and `to` to the microsecond.

use chrono::{DateTime, Utc};
use utoipa::IntoParams;

use super::Query;

/// From an instant (inclusive) to another (exclusive). An absent end is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Start of the period, inclusive: a date or an RFC 3339 time. Default: no start.
    #[param(value_type = Option<String>, example = "2026-11-01")]
    pub(crate) from: Option<DateTime<Utc>>,
    /// End of the period, exclusive: a date or an RFC 3339 time. Default: no end.
    #[param(value_type = Option<String>, example = "2026-12-01T00:00:00Z")]
    pub(crate) to: Option<DateTime<Utc>>,
}

impl Query {
    /// `from` (inclusive) and `to` (exclusive): RFC 3339 or a date.
    pub(crate) fn span(&mut self) -> Span {
        let (from, to) = (self.instant("from"), self.instant("to"));
        self.in_order(from, to);
        Span { from, to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_need_not_be_whole_hours() {
        let mut query = Query::of("from=2022-01-07T22:30:01.5%2B02:00&to=2022-01-08");
        let Span { from, to } = query.span();
        assert!(query.finish().is_ok());
        assert_eq!(from, Some("2022-01-07T20:30:01.5Z".parse().unwrap()));
        assert_eq!(to, Some("2022-01-08T00:00:00Z".parse().unwrap()));
        for wrong in ["from=yesterday", "from=2022-01-08&to=2022-01-08"] {
            let mut query = Query::of(wrong);
            query.span();
            assert!(query.finish().is_err(), "{wrong}");
        }
    }
}
