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

/// Names are looked up for the few that made it into the list, not for all.
const TOP: &str = "
    WITH sums AS NOT MATERIALIZED (
        SELECT sum.*
        FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) AS segment (grain, since, until)
        JOIN sales_by_article AS sum ON sum.grain = segment.grain::grain
            AND sum.starts_at >= coalesce(segment.since, '-infinity')
            AND sum.starts_at < coalesce(segment.until, 'infinity')
    ), top AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY sum(units) DESC, article_id, currency COLLATE \"C\") AS rank,
               article_id, currency, sum(units)::bigint AS units, sum(purchases)::bigint AS purchases,
               sum(amount) AS amount
        FROM sums
        GROUP BY article_id, currency
        ORDER BY rank
        LIMIT $4
    ), names AS (
        SELECT DISTINCT ON (article_id) article_id, article_name
        FROM sums
        WHERE article_id IN (SELECT article_id FROM top) AND article_name IS NOT NULL
        ORDER BY article_id, starts_at DESC, shard
    )
    SELECT top.*, names.article_name AS name
    FROM top
    LEFT JOIN names USING (article_id)
    ORDER BY rank";
