//! What orders are worth.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::money::Money;
use super::parameters::{Dates, Query};
use super::period::Grain;
use super::problem::{Fault, Problem};
use super::{Api, List};

/// What orders in one currency are worth, on one day or altogether.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct OrderValue {
    /// The day (UTC); absent from totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    date: Option<NaiveDate>,
    currency: String,
    /// Those with a value.
    orders: i64,
    order_value: Money,
}

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
enum Mode {
    /// A day and a currency.
    Day,
    /// A currency.
    Total,
}

impl Mode {
    const WORDS: [&'static str; 2] = ["DAY", "TOTAL"];

    fn named(word: &str) -> Self {
        if word == "DAY" { Mode::Day } else { Mode::Total }
    }
}

/// What one answer holds at most.
const ITEMS: usize = 100_000;

/// The value of orders, day by day or in total.
///
/// By day, then currency: money is never added across currencies. An order without a value counts nowhere
/// here, so that `order_value` divided by `orders` is their mean. The period is about `event_date`, or the
/// time of receipt of an order that has none. Day by day, every day (UTC) of the period has an item for every
/// currency of the period, also a day without an order; a period without a start begins with the day of the
/// first order in it, one without an end ends with that of the last. More than 100,000 items: 400. `next` is
/// always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Orders",
    params(
        Dates,
        (
            "mode" = inline(Option<Mode>), Query,
            description = "One item for each day and currency, or one for each currency. In any case. Default: `TOTAL`.",
        ),
    ),
    responses((
        status = 200,
        description = "The values",
        body = List<OrderValue>,
        examples(
            ("TOTAL" = (value = json!({
                "items": [{"currency": "USD", "orders": 17, "order_value": 1180.25}],
                "next": null,
            }))),
            ("DAY" = (value = json!({
                "items": [
                    {"date": "2020-07-12", "currency": "USD", "orders": 17, "order_value": 1180.25},
                    {"date": "2020-07-13", "currency": "USD", "orders": 0, "order_value": 0.00},
                ],
                "next": null,
            }))),
        ),
    )),
)]
pub(super) async fn value(State(api): State<Api>, mut query: Query) -> Result<Json<List<OrderValue>>, Problem> {
    let period = query.dates();
    let mode = query.one_of("mode", &Mode::WORDS).map_or(Mode::Total, Mode::named);
    query.finish()?;
    let items = match mode {
        Mode::Day => by_day(&api.pool, period).await?,
        Mode::Total => total(&api.pool, period).await?,
    };
    Ok(Json(List::all(items)))
}

async fn total(pool: &PgPool, period: Dates) -> Result<Vec<OrderValue>, Problem> {
    let total = sqlx::query_as(TOTAL).persistent(false).bind(period.from).bind(period.to);
    Ok(total.fetch_all(pool).await?)
}

const TOTAL: &str = "
    SELECT NULL::date AS date, currency, count(*) AS orders, sum(order_value) AS order_value
    FROM order_events
    WHERE order_value IS NOT NULL
        AND ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')
    GROUP BY currency
    ORDER BY currency";

async fn by_day(pool: &PgPool, period: Dates) -> Result<Vec<OrderValue>, Problem> {
    let Some((from, to)) = ends(pool, period).await? else { return Ok(Vec::new()) };
    let Days { starts, ends } = Days::between(from, to).ok_or_else(|| too_many(from, to))?;
    let by_day = sqlx::query_as(BY_DAY).persistent(false).bind(starts).bind(ends).bind(ITEMS as i64 + 1);
    let items = by_day.fetch_all(pool).await?;
    if items.len() > ITEMS { Err(too_many(from, to)) } else { Ok(items) }
}

/// Every day is read by itself, through the index: the planner takes days for many more than they are.
const BY_DAY: &str = "
    WITH days AS (
        SELECT starts_at, ends_at FROM UNNEST($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at)
    ), sums AS MATERIALIZED (
        SELECT starts_at, currency, orders, order_value
        FROM days
        CROSS JOIN LATERAL (
            SELECT currency, count(*) AS orders, sum(order_value) AS order_value
            FROM order_events
            WHERE order_value IS NOT NULL AND ordered_at >= starts_at AND ordered_at < ends_at
            GROUP BY currency
        ) AS sum
    )
    SELECT (starts_at AT TIME ZONE 'UTC')::date AS date, currency, coalesce(orders, 0) AS orders,
           coalesce(order_value, 0) AS order_value
    FROM days
    CROSS JOIN (SELECT DISTINCT currency FROM sums) AS currencies
    LEFT JOIN sums USING (starts_at, currency)
    ORDER BY starts_at, currency
    LIMIT $3";

/// Both ends of a period: an open one is that of the day of the first, or the last, order. `None` when no
/// order with a value lies between.
async fn ends(pool: &PgPool, period: Dates) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>, Problem> {
    let (first, last): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT min(ordered_at), max(ordered_at)
         FROM order_events
         WHERE order_value IS NOT NULL
             AND ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')",
    )
    .persistent(false)
    .bind(period.from)
    .bind(period.to)
    .fetch_one(pool)
    .await?;
    let ends = |(first, last)| {
        let (from, to) = (Grain::Day.start(first), Grain::Day.next(last));
        (period.from.unwrap_or(from), period.to.unwrap_or(to))
    };
    Ok(first.zip(last).map(ends))
}

/// Where each day of a period starts, and where it ends; the first and the last one are cut where it does.
struct Days {
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
}

impl Days {
    /// `None` when there are more than an answer can hold.
    fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Self> {
        let starts = std::iter::successors(Some(from), |start| Some(Grain::Day.next(*start)));
        let starts: Vec<_> = starts.take_while(|start| *start < to).take(ITEMS + 1).collect();
        let ends = starts.iter().map(|start| Grain::Day.next(*start).min(to)).collect();
        (starts.len() <= ITEMS).then_some(Days { starts, ends })
    }
}

fn too_many(from: DateTime<Utc>, to: DateTime<Utc>) -> Problem {
    let expected = format!("at most {ITEMS} items: a shorter time from start_date to end_date, or mode=TOTAL");
    let actual = format!("every day and currency from {} to {}", from.to_rfc3339(), to.to_rfc3339());
    Problem::parameters(vec![Fault::parameter("too_many_days", "mode", expected, &actual)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_cut_at_the_ends_and_none_is_left_out() {
        let Days { starts, ends } =
            Days::between(day("2020-02-28T12:00:00Z"), day("2020-03-01T00:00:00.000001Z")).unwrap();
        let text = |instants: Vec<DateTime<Utc>>| {
            instants.iter().map(|instant| instant.format("%d %H:%M:%S%.6f").to_string()).collect::<Vec<_>>()
        };
        assert_eq!(text(starts), ["28 12:00:00.000000", "29 00:00:00.000000", "01 00:00:00.000000"]);
        assert_eq!(text(ends), ["29 00:00:00.000000", "01 00:00:00.000000", "01 00:00:00.000001"]);
        assert!(Days::between(day("0001-01-01T00:00:00Z"), day("9999-12-31T00:00:00Z")).is_none());
    }
}
