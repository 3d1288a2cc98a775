//! What is bought most.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::money::Money;
use super::parameters::Query;
use super::period::{Grain, Period, Segments};
use super::problem::Problem;
use super::{Api, List};

/// What was sold of an article in one currency.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct TopArticle {
    rank: i64,
    article_id: Uuid,
    /// The one last seen in the period.
    #[schema(required)]
    name: Option<String>,
    /// `unknown` where the article had none.
    currency: String,
    units: i64,
    /// Those that contain the article, on however many lines.
    purchases: i64,
    /// What had no price adds nothing.
    amount: Money,
}

/// The most commonly bought articles.
///
/// By units, ties by article id and currency. An article that was sold in several currencies has an item for
/// each: money is never added across currencies. The period is about the time of purchase. `next` is always
/// null.
#[utoipa::path(
    get,
    path = "",
    tag = "Sales",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "Most items. Default: 10."),
        Period,
    ),
    responses((
        status = 200,
        description = "The articles",
        body = List<TopArticle>,
        example = json!({
            "items": [{
                "rank": 1, "article_id": "128a98a8-00be-4b67-bc66-e27060a6da0c", "name": "Heavy Cotton Mirror",
                "currency": "EUR", "units": 99, "purchases": 29, "amount": 9059.49,
            }],
            "next": null,
        }),
    )),
)]
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
