//! Who orders most.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::money::Money;
use super::parameters::{Dates, Query};
use super::problem::Problem;
use super::{Api, List};

/// What a customer ordered in one currency.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct TopCustomer {
    /// Among the customers of this currency, from 1.
    rank: i64,
    user_id: String,
    currency: String,
    /// Those with a value in this currency.
    orders: i64,
    order_value: Money,
}

/// The customers whose orders are worth most.
///
/// By currency, then rank: money is never added across currencies, so that each has a first. Rank is by order
/// value, ties by user id. An order without a value counts nowhere here. The period is about `event_date`, or
/// the time of receipt of an order that has none. Whether a customer accepts marketing is what the latest of
/// all of their orders says, whatever the period; one that does not say is a no. `next` is always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Orders",
    params(
        Dates,
        (
            "count" = Option<i64>, Query, minimum = 1, maximum = 1000,
            description = "Most customers of each currency. Default: 5.",
        ),
        (
            "marketing" = Option<bool>, Query,
            description = "Only those who accept marketing, or only those who do not. Default: both.",
        ),
    ),
    responses((
        status = 200,
        description = "The customers",
        body = List<TopCustomer>,
        example = json!({
            "items": [{"rank": 1, "user_id": "66f6", "currency": "USD", "orders": 3, "order_value": 95.5}],
            "next": null,
        }),
    )),
)]
pub(super) async fn top(State(api): State<Api>, mut query: Query) -> Result<Json<List<TopCustomer>>, Problem> {
    let period = query.dates();
    let count = query.whole("count", 1..=1000).unwrap_or(5);
    let marketing = query.one_of("marketing", &["true", "false"]).map(|word| word == "true");
    query.finish()?;
    // Not kept prepared: a plan for any period would be one for none.
    let top = sqlx::query_as(TOP).persistent(false).bind(period.from).bind(period.to).bind(count).bind(marketing);
    Ok(Json(List::all(top.fetch_all(&api.pool).await?)))
}

/// The latest order of every customer is read only where somebody asks who accepts marketing.
const TOP: &str = "
    WITH latest AS (
        SELECT DISTINCT ON (user_id) user_id, coalesce(buyer_accepts_marketing, false) AS accepts
        FROM order_events
        WHERE $4::boolean IS NOT NULL
        ORDER BY user_id DESC, ordered_at DESC, event_id DESC
    ), customers AS (
        SELECT user_id, currency, count(*) AS orders, sum(order_value) AS order_value
        FROM order_events
        WHERE order_value IS NOT NULL
            AND ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')
        GROUP BY user_id, currency
    ), ranked AS (
        SELECT row_number() OVER (PARTITION BY currency ORDER BY order_value DESC, user_id) AS rank,
               user_id, currency, orders, order_value
        FROM customers
        LEFT JOIN latest USING (user_id)
        WHERE accepts IS NOT DISTINCT FROM $4
    )
    SELECT rank, user_id, currency, orders, order_value
    FROM ranked
    WHERE rank <= $3
    ORDER BY currency, rank";
