//! Where visitors come from, how long they stay, and whether they order.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::{Query, Span};
use super::problem::Problem;
use super::{Api, List};

/// Sessions that came from one place.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct ReferredSessions {
    /// A host in lower case, or `direct` where no other site led to the shop.
    referrer: String,
    sessions: i64,
    median_minutes: f64,
    mean_minutes: f64,
    p90_minutes: f64,
    /// The share of sessions with at least one order, from 0 to 1.
    order_share: f64,
}

/// The number of sessions and the referrer of a page's last item.
type Cursor = (i64, String);

/// What sessions can be grouped by.
const BY: [&str; 1] = ["referrer"];

/// Sessions by where they came from: how many, how long, how many with an order.
///
/// By number of sessions, ties by referrer. The referrer of a session is the host of the first external one in it:
/// an absolute URL whose host is another than that of the page of the same event, a leading `www.` aside. Minutes
/// are from the first to the last event of a session, so that one of a single event lasts 0. `p90_minutes` is
/// what 90 % of the sessions do not exceed, interpolated like the median. The period is about the start of the
/// session.
#[utoipa::path(
    get,
    path = "",
    tag = "Sessions",
    params(
        ("by" = Option<String>, Query, description = "`referrer`, which is also the default.", example = "referrer"),
        Span,
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "Most items. Default: 100."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before. Default: the first page."),
    ),
    responses((
        status = 200,
        description = "The referrers",
        body = List<ReferredSessions>,
        example = json!({
            "items": [{
                "referrer": "direct", "sessions": 1204, "median_minutes": 8.5, "mean_minutes": 12.2,
                "p90_minutes": 31.25, "order_share": 0.0625,
            }],
            "next": null,
        }),
    )),
)]
pub(super) async fn by_referrer(
    State(api): State<Api>,
    mut query: Query,
) -> Result<Json<List<ReferredSessions>>, Problem> {
    query.one_of("by", &BY);
    let Span { from, to } = query.span();
    let limit = query.whole("limit", 1..=1000).unwrap_or(100);
    let after = query.cursor(|(_, referrer): &Cursor| !referrer.contains('\0'));
    query.finish()?;
    let (sessions, referrer) = after.unzip();
    let page = sqlx::query_as(BY_REFERRER).bind(from).bind(to).bind(sessions).bind(referrer).bind(limit + 1);
    let items = page.fetch_all(&api.pool).await?;
    Ok(Json(List::page(items, limit, |item: &ReferredSessions| (item.sessions, item.referrer.clone()))))
}

const BY_REFERRER: &str = "
    WITH session AS (
        SELECT coalesce(referrer_host, 'direct') AS referrer, orders,
               extract(epoch FROM ended_at - started_at)::float8 / 60 AS minutes
        FROM click_sessions
        WHERE started_at >= coalesce($1, '-infinity') AND started_at < coalesce($2, 'infinity')
    )
    SELECT referrer, count(*) AS sessions,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) AS median_minutes,
           avg(minutes) AS mean_minutes,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes) AS p90_minutes,
           (count(*) FILTER (WHERE orders > 0))::float8 / count(*) AS order_share
    FROM session
    GROUP BY referrer
    HAVING $3 IS NULL OR count(*) < $3 OR (count(*) = $3 AND referrer COLLATE \"C\" > $4)
    ORDER BY sessions DESC, referrer COLLATE \"C\"
    LIMIT $5";
