//! What visitors do before they order.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::parameters::{Query, Span};
use super::problem::Problem;

/// Visits before the first order. Null where there are none.
#[derive(Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct BeforeOrder {
    /// Over the customers who ordered.
    #[schema(required)]
    median_visits_before_order: Option<f64>,
    /// Over these visits.
    #[schema(required)]
    median_session_duration_minutes_before_order: Option<f64>,
}

/// How often customers visit before they order, and for how long.
///
/// A visit is a session: a customer's events, until nothing comes for longer than the gap (`SESSION_GAP_MINUTES`,
/// 30 by default). Of each customer who ordered, the sessions that count are those strictly before the session
/// with the first order. `median_visits_before_order` is the median of their number over these customers;
/// `median_session_duration_minutes_before_order` is the median duration, from first to last event, of exactly
/// these sessions. The median of an even number is halfway between the two in the middle. The period chooses
/// customers by the time of their first order; their sessions before it count however long ago they were.
#[utoipa::path(
    get,
    path = "",
    tag = "Sessions",
    params(Span),
    responses((
        status = 200,
        description = "Both medians",
        body = BeforeOrder,
        example = json!({"median_visits_before_order": 2.0, "median_session_duration_minutes_before_order": 12.25}),
    )),
)]
pub(super) async fn before_order(State(api): State<Api>, mut query: Query) -> Result<Json<BeforeOrder>, Problem> {
    let Span { from, to } = query.span();
    query.finish()?;
    Ok(Json(sqlx::query_as(BEFORE_ORDER).bind(from).bind(to).fetch_one(&api.pool).await?))
}

/// A customer without a visit has a row without one: it counts as none, and its duration, null, as nothing.
const BEFORE_ORDER: &str = "
    WITH first_order AS (
        SELECT DISTINCT ON (customer_id) customer_id, started_at, first_order_at AS ordered_at
        FROM click_sessions
        WHERE orders > 0
        ORDER BY customer_id, started_at
    ), visit AS (
        SELECT first_order.customer_id, visit.started_at,
               extract(epoch FROM visit.ended_at - visit.started_at)::float8 / 60 AS minutes
        FROM first_order
        LEFT JOIN click_sessions AS visit
            ON visit.customer_id = first_order.customer_id AND visit.started_at < first_order.started_at
        WHERE ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')
    ), customer AS (
        SELECT count(started_at) AS visits FROM visit GROUP BY customer_id
    )
    SELECT (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY visits) FROM customer) AS median_visits_before_order,
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes) FROM visit)
               AS median_session_duration_minutes_before_order";
