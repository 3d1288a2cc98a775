//! Which dead letters somebody means.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder};
use utoipa::IntoParams;
use uuid::Uuid;

use super::Status;
use crate::events::KindName;
use crate::pipeline::verdict::{Code, Reason};

/// Which dead letters somebody means: those for which everything that is said here is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Any of these; none named: all.
    #[param(ignore)]
    pub ids: Vec<Uuid>,
    /// Only this kind of event. Default: all.
    #[param(inline, value_type = Option<KindName>)]
    pub kind: Option<&'static str>,
    /// Only those of which this stage was the earliest that failed. Default: any.
    #[param(inline)]
    pub reason: Option<Reason>,
    /// Only those with this code, perhaps beside others. Default: any.
    #[param(inline)]
    pub code: Option<Code>,
    /// Only this cause. Default: any.
    #[param(example = "724551020868003c")]
    pub fingerprint: Option<String>,
    /// First rejected then or later: a date, an RFC 3339 time, or an age such as `30m`, `2h`, `3d` or `1w`.
    #[param(value_type = Option<String>, example = "3d")]
    pub since: Option<DateTime<Utc>>,
    /// First rejected before then: the same.
    #[param(value_type = Option<String>, example = "2h")]
    pub until: Option<DateTime<Utc>>,
    /// What has become of them. Any, where it is not said.
    #[param(ignore)]
    pub status: Option<Status>,
}

impl Filter {
    /// The open ones.
    #[must_use]
    pub fn open() -> Self {
        Filter { status: Some(Status::Open), ..Filter::default() }
    }

    /// Whether nothing is said but what has become of them.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Filter { status: self.status, ..Filter::default() }
    }

    /// Adds the condition on `dead_letters`, called `letter` in the statement: `true AND …`.
    pub(crate) fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        let Filter { ids, kind, reason, code, fingerprint, since, until, status } = self;
        sql.push("true");
        if !ids.is_empty() {
            sql.push(" AND letter.id = ANY (").push_bind(ids.clone()).push(")");
        }
        if let Some(status) = status {
            // A word of ours, written out: the planner then knows that the index of open ones will do.
            sql.push(" AND letter.status = '").push(status.as_str()).push("'");
        }
        if let Some(kind) = *kind {
            sql.push(" AND letter.kind = ").push_bind(kind);
        }
        if let Some(reason) = reason {
            sql.push(" AND letter.reason = ").push_bind(reason.as_str());
        }
        if let Some(fingerprint) = fingerprint {
            sql.push(" AND letter.fingerprint = ").push_bind(fingerprint.clone());
        }
        if let Some(code) = code {
            sql.push(" AND ").push_bind(code.as_str()).push(" = ANY (letter.codes)");
        }
        if let Some(since) = since {
            sql.push(" AND letter.failed_at >= ").push_bind(*since);
        }
        if let Some(until) = until {
            sql.push(" AND letter.failed_at < ").push_bind(*until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_stands_in_the_statement() {
        let sql = |filter: &Filter| {
            let mut sql = QueryBuilder::new("");
            filter.push(&mut sql);
            sql.sql().as_str().to_owned()
        };
        assert_eq!(sql(&Filter::default()), "true");
        assert_eq!(sql(&Filter::open()), "true AND letter.status = 'open'");
        let named = Filter { ids: vec![Uuid::nil()], reason: Some(Reason::Shape), ..Filter::default() };
        assert_eq!(sql(&named), "true AND letter.id = ANY ($1) AND letter.reason = $2");
        assert!(Filter::open().is_everything() && !named.is_everything());
    }
}
