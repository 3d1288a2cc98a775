//! How much time customers spend before they buy.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::parameters::{Query, Span};
use super::problem::Problem;

/// The time until the first order.
#[derive(Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct TimeToOrder {
    /// Those who ordered.
    customers: i64,
    /// Over these customers; null where there are none.
    #[schema(required)]
    median_total_minutes_before_order: Option<f64>,
}

/// How much time customers spend in the shop before they order.
///
/// Per customer who ordered: the minutes in the sessions before the one with the first order, each from its first
/// to its last event, plus those from the start of that session up to the order. Time between sessions does not
/// count. `median_total_minutes_before_order` is the median over these customers. The period chooses customers
/// by the time of their first order; their sessions before it count however long ago they were.
#[utoipa::path(
    get,
    path = "",
    tag = "Sessions",
    params(Span),
    responses((
        status = 200,
        description = "The median, and over how many customers",
        body = TimeToOrder,
        example = json!({"customers": 310, "median_total_minutes_before_order": 41.75}),
    )),
)]
pub(super) async fn time_to_order(State(api): State<Api>, mut query: Query) -> Result<Json<TimeToOrder>, Problem> {
    let Span { from, to } = query.span();
    query.finish()?;
    Ok(Json(sqlx::query_as(TIME_TO_ORDER).bind(from).bind(to).fetch_one(&api.pool).await?))
}

const TIME_TO_ORDER: &str = "
    WITH first_order AS (
        SELECT DISTINCT ON (customer_id) customer_id, started_at, first_order_at AS ordered_at
        FROM click_sessions
        WHERE orders > 0
        ORDER BY customer_id, started_at
    ), customer AS (
        SELECT ordered_at - first_order.started_at + coalesce(sum(visit.ended_at - visit.started_at), '0') AS total
        FROM first_order
        LEFT JOIN click_sessions AS visit
            ON visit.customer_id = first_order.customer_id AND visit.started_at < first_order.started_at
        WHERE ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')
        GROUP BY first_order.customer_id, first_order.started_at, ordered_at
    )
    SELECT count(*) AS customers,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM total)::float8 / 60)
               AS median_total_minutes_before_order
    FROM customer";
