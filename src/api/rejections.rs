//! What was rejected, and why.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::parameters::Query;
use super::problem::Problem;
use super::{Api, List};
use crate::events::KINDS;

/// Events that were rejected with one code.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct Rejections {
    kind: String,
    reason: String,
    code: String,
    count: i64,
    waiting: i64,
    last_seen: DateTime<Utc>,
}

/// Rejected events by kind, reason and code: by count, ties by kind, reason and code.
///
/// `reason` is the earliest stage that failed; an event with several codes counts once under each.
/// `waiting` is how many of them are open dead letters of class `when_reference_appears`: nothing is
/// wrong with them but that rows are missing. `from` (inclusive) and `to` (exclusive) are whole hours (UTC) of the time of
/// rejection; `next` is always null.
pub(super) async fn summary(State(api): State<Api>, mut query: Query) -> Result<Json<List<Rejections>>, Problem> {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let kind = query.one_of("kind", &kinds);
    let period = query.period();
    query.finish()?;
    let items = sqlx::query_as(SUMMARY).bind(kind).bind(period.from).bind(period.to).fetch_all(&api.pool).await?;
    Ok(Json(List::all(items)))
}

const SUMMARY: &str = "
    SELECT kind, reason, code, sum(count)::bigint AS count, sum(waiting)::bigint AS waiting, max(last_seen) AS last_seen
    FROM rejections
    WHERE kind = coalesce($1, kind)
        AND starts_at >= coalesce($2, '-infinity'::timestamptz) AND starts_at < coalesce($3, 'infinity'::timestamptz)
    GROUP BY kind, reason, code
    ORDER BY count DESC, kind COLLATE \"C\", reason COLLATE \"C\", code COLLATE \"C\"";
