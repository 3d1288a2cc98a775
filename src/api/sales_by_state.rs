//! Where sales come from.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::money::Money;
use super::parameters::Query;
use super::period::{Grain, Period, Segments};
use super::problem::Problem;
use super::{Api, List};

/// Sales of a state in one currency.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct StateSales {
    /// Two letters, or `unknown`.
    state: String,
    /// `unknown` where an article had none.
    currency: String,
    /// Those with at least one line in the currency.
    purchases: i64,
    units: i64,
    /// What had no price adds nothing.
    amount: Money,
}

/// Sales per state and currency.
///
/// By state, then currency. State is that of the user's address when the purchase came in: the two letters
/// before the ZIP, military (AA, AE, AP) and territories included; `unknown` when the address has none. A
/// purchase in two currencies stands in two items: money is never added across currencies. The period is
/// about the time of purchase. `next` is always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Sales",
    params(Period),
    responses((
        status = 200,
        description = "The states",
        body = List<StateSales>,
        example = json!({
            "items": [{"state": "AA", "currency": "EUR", "purchases": 32, "units": 145, "amount": 7418.56}],
            "next": null,
        }),
    )),
)]
pub(super) async fn states(State(api): State<Api>, mut query: Query) -> Result<Json<List<StateSales>>, Problem> {
    let period = query.period();
    query.finish()?;
    let Segments { grains, froms, tos } = Segments::cut(period, Grain::Month);
    let items = sqlx::query_as(BY_STATE).bind(grains).bind(froms).bind(tos).fetch_all(&api.pool).await?;
    Ok(Json(List::all(items)))
}

/// The subquery is a fence: each part of the period is read by itself, through the key, whatever the planner
/// thinks of their sizes.
const BY_STATE: &str = "
    SELECT state, currency, sum(purchases)::bigint AS purchases, sum(units)::bigint AS units, sum(amount) AS amount
    FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) AS segment (grain, since, until)
    CROSS JOIN LATERAL (
        SELECT state, currency, sum(purchases) AS purchases, sum(units) AS units, sum(amount) AS amount
        FROM sales_by_state
        WHERE grain = segment.grain::grain AND starts_at >= coalesce(segment.since, '-infinity')
            AND starts_at < coalesce(segment.until, 'infinity')
        GROUP BY state, currency
    ) AS part
    GROUP BY state, currency
    ORDER BY state COLLATE \"C\", currency COLLATE \"C\"";
