//! What was rejected, and why.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Query;
use super::period::Period;
use super::problem::Problem;
use super::{Api, List};
use crate::events::{KINDS, KindName};
use crate::pipeline::verdict::{Code, Reason};

/// Events that were rejected with one code.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct Rejections {
    #[schema(value_type = KindName)]
    kind: String,
    /// The earliest stage that failed.
    #[schema(value_type = Reason)]
    reason: String,
    #[schema(value_type = Code)]
    code: String,
    /// An event with several codes counts once under each.
    count: i64,
    /// Open dead letters of class `when_reference_appears`: nothing is wrong with them but that rows are missing.
    waiting: i64,
    last_seen: DateTime<Utc>,
}

/// Rejected events by kind, reason and code.
///
/// By count, ties by kind, reason and code. The period is about the time of rejection. `next` is always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Rejections",
    params(("kind" = inline(Option<KindName>), Query, description = "Only this kind. Default: all."), Period),
    responses((
        status = 200,
        description = "The causes",
        body = List<Rejections>,
        example = json!({
            "items": [{
                "kind": "purchase", "reason": "reference", "code": "unknown_user", "count": 57, "waiting": 57,
                "last_seen": "2026-11-21T10:14:17.197157Z",
            }],
            "next": null,
        }),
    )),
)]
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
    HAVING sum(count) > 0
    ORDER BY count DESC, kind COLLATE \"C\", reason COLLATE \"C\", code COLLATE \"C\"";
