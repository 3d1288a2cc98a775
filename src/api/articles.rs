//! What is bought most.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::money::Money;
use super::parameters::Query;
use super::period::{Grain, Segments};
use super::problem::Problem;
use super::{Api, List};

/// What was sold of an article in one currency.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct TopArticle {
    rank: i64,
    article_id: Uuid,
    name: Option<String>,
    currency: String,
    units: i64,
    purchases: i64,
    amount: Money,
}

/// The most commonly bought articles: by units, ties by article id and currency.
///
/// `purchases` counts those that contain the article, on however many lines. An article that was sold in
/// several currencies has an item for each: money is never added across currencies. `currency` is `unknown`
/// where the article had none, and what had no price adds nothing to `amount`. `name` is the one last seen
/// in the period. `from` (inclusive) and `to` (exclusive) are whole hours (UTC) of the time of purchase;
/// `limit` is 1 to 1000, default 10; `next` is always null.
pub(super) async fn top(State(api): State<Api>, mut query: Query) -> Result<Json<List<TopArticle>>, Problem> {
    let period = query.period();
    let limit = query.whole("limit", 1..=1000).unwrap_or(10);
    query.finish()?;
    let Segments { grains, froms, tos } = Segments::cut(period, Grain::Month);
    let items = sqlx::query_as(TOP).bind(grains).bind(froms).bind(tos).bind(limit).fetch_all(&api.pool).await?;
    Ok(Json(List::all(items)))
}

/// The subquery is a fence: each part of the period is read by itself, through the key, whatever the planner
/// thinks of their sizes. Names are looked up for the few that made it into the list, not for all.
const TOP: &str = "
    WITH segment AS (
        SELECT grain::grain AS grain, coalesce(since, '-infinity') AS since, coalesce(until, 'infinity') AS until
        FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) AS segment (grain, since, until)
    ), top AS (
        SELECT row_number() OVER (ORDER BY sum(units) DESC, article_id, currency COLLATE \"C\") AS rank,
               article_id, currency, sum(units)::bigint AS units, sum(purchases)::bigint AS purchases,
               sum(amount) AS amount, max(named_at) AS named_at
        FROM segment
        CROSS JOIN LATERAL (
            SELECT article_id, currency, sum(units) AS units, sum(purchases) AS purchases, sum(amount) AS amount,
                   max(starts_at) FILTER (WHERE article_name IS NOT NULL) AS named_at
            FROM sales_by_article
            WHERE grain = segment.grain AND starts_at >= segment.since AND starts_at < segment.until
            GROUP BY article_id, currency
        ) AS part
        GROUP BY article_id, currency
        ORDER BY rank
        LIMIT $4
    )
    SELECT rank, article_id, name, currency, units, purchases, amount
    FROM top
    LEFT JOIN LATERAL (
        SELECT article_name AS name
        FROM segment
        JOIN sales_by_article AS named ON named.grain = segment.grain AND named.starts_at = top.named_at
            AND named.article_id = top.article_id AND named.currency = top.currency
        WHERE top.named_at >= segment.since AND top.named_at < segment.until AND article_name IS NOT NULL
        ORDER BY shard
        LIMIT 1
    ) AS named ON true
    ORDER BY rank";
