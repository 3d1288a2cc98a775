//! Sales per hour, day or month.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::money::Money;
use super::parameters::Query;
use super::period::{Grain, Period, Segments};
use super::problem::{Fault, Problem};
use super::{Api, List};

/// What was sold in a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bucket {
    start: DateTime<Utc>,
    /// Each purchase counts once, whatever its currencies.
    sales: i64,
    /// One for each currency, by currency.
    amounts: Vec<Amount>,
}

/// What was sold in one currency.
#[derive(Debug, Serialize, ToSchema)]
struct Amount {
    /// `unknown` where an article had none.
    currency: String,
    units: i64,
    /// What had no price adds nothing.
    amount: Money,
}

/// What one answer holds at most.
const BUCKETS: usize = 10_000;

/// Number of sales over time.
///
/// By start, empty buckets included. Buckets are hours, days or months in UTC; money is never added across
/// currencies. The period is about the time of purchase, and defaults to the buckets of the first and the
/// last sale. Where its ends fall inside a bucket, that bucket is cut there: it starts at `from`, or counts
/// only what is before `to`. More than 10,000 buckets: 400. `next` is always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Sales",
    params(("bucket" = inline(Option<Grain>), Query, description = "Length of a bucket. Default: `day`."), Period),
    responses((
        status = 200,
        description = "The buckets",
        body = List<Bucket>,
        example = json!({
            "items": [{
                "start": "2026-11-21T10:00:00Z", "sales": 1478,
                "amounts": [{"currency": "EUR", "units": 3882, "amount": 196162.63}],
            }],
            "next": null,
        }),
    )),
)]
pub(super) async fn over_time(State(api): State<Api>, mut query: Query) -> Result<Json<List<Bucket>>, Problem> {
    let grain = query.one_of("bucket", &Grain::WORDS).and_then(Grain::named).unwrap_or(Grain::Day);
    let period = query.period();
    query.finish()?;
    let Some((from, to)) = ends(&api.pool, grain, period).await? else { return Ok(Json(List::all(Vec::new()))) };
    let mut buckets = empty_buckets(grain, from, to)?;
    for sums in sums(&api.pool, grain, Period { from: Some(from), to: Some(to) }).await? {
        if let Some(bucket) = buckets.get_mut(&sums.start) {
            bucket.sales += sums.sales;
            bucket.amounts.push(Amount { currency: sums.currency, units: sums.units, amount: sums.amount });
        }
    }
    Ok(Json(List::all(buckets.into_values().collect())))
}

/// Both ends of a period: an open one is where the buckets of the first, or the last, sale end. `None` when
/// nothing lies between.
async fn ends(pool: &PgPool, grain: Grain, period: Period) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>, Problem> {
    if let (Some(from), Some(to)) = (period.from, period.to) {
        return Ok(Some((from, to)));
    }
    let (first, last): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
        sqlx::query_as("SELECT min(starts_at), max(starts_at) FROM sales_over_time WHERE grain = $1::text::grain")
            .bind(grain.as_str())
            .fetch_one(pool)
            .await?;
    let to = period.to.or(last.map(|last| grain.next(last)));
    Ok(period.from.or(first).zip(to).filter(|(from, to)| from < to))
}

/// A bucket for every start, by the start of the whole bucket that it is all or a part of.
fn empty_buckets(
    grain: Grain,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<BTreeMap<DateTime<Utc>, Bucket>, Problem> {
    let starts = std::iter::successors(Some(from), |start| Some(grain.next(*start))).take_while(|start| *start < to);
    let empty = |start| (grain.start(start), Bucket { start, sales: 0, amounts: Vec::new() });
    let buckets: BTreeMap<_, _> = starts.take(BUCKETS + 1).map(empty).collect();
    if buckets.len() > BUCKETS {
        let expected = format!("at most {BUCKETS} buckets: a longer bucket, or a shorter time from `from` to `to`");
        let actual = format!("{} from {} to {}", grain.as_str(), from.to_rfc3339(), to.to_rfc3339());
        return Err(Problem::parameters(vec![Fault::parameter("too_many_buckets", "bucket", expected, &actual)]));
    }
    Ok(buckets)
}

#[derive(sqlx::FromRow)]
struct Sums {
    start: DateTime<Utc>,
    currency: String,
    sales: i64,
    units: i64,
    amount: Money,
}

async fn sums(pool: &PgPool, grain: Grain, period: Period) -> Result<Vec<Sums>, Problem> {
    let Segments { grains, froms, tos } = Segments::cut(period, grain);
    let sums = sqlx::query_as(SUMS).bind(grains).bind(froms).bind(tos).bind(grain.as_str());
    Ok(sums.fetch_all(pool).await?)
}

/// The subquery is a fence: each part of the period is read by itself, through the key, whatever the planner
/// thinks of their sizes.
const SUMS: &str = "
    SELECT start, currency, sum(sales)::bigint AS sales, sum(units)::bigint AS units, sum(amount) AS amount
    FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) AS segment (grain, since, until)
    CROSS JOIN LATERAL (
        SELECT date_trunc($4::text, starts_at, 'UTC') AS start, currency, sum(sales) AS sales, sum(units) AS units,
               sum(amount) AS amount
        FROM sales_over_time
        WHERE grain = segment.grain::grain AND starts_at >= coalesce(segment.since, '-infinity')
            AND starts_at < coalesce(segment.until, 'infinity')
        GROUP BY 1, currency
    ) AS part
    GROUP BY start, currency
    ORDER BY start, currency COLLATE \"C\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(grain: Grain, from: &str, to: &str) -> Result<Vec<String>, Problem> {
        let instant = |text: &str| format!("{text}:00:00Z").parse().unwrap();
        let buckets = empty_buckets(grain, instant(from), instant(to))?;
        Ok(buckets.into_values().map(|bucket| bucket.start.format("%m-%dT%H").to_string()).collect())
    }

    #[test]
    fn the_first_bucket_is_cut_and_none_is_left_out() {
        let days = starts(Grain::Day, "2022-01-30T05", "2022-02-01T01").unwrap();
        assert_eq!(days, ["01-30T05", "01-31T00", "02-01T00"]);
        assert_eq!(starts(Grain::Month, "2022-01-30T05", "2022-02-01T00").unwrap(), ["01-30T05"]);
    }

    #[test]
    fn ten_thousand_are_enough() {
        assert_eq!(starts(Grain::Hour, "2020-01-01T00", "2021-02-20T16").unwrap().len(), BUCKETS);
        assert!(starts(Grain::Hour, "2020-01-01T00", "2021-02-20T17").is_err());
        assert!(starts(Grain::Hour, "0001-01-01T00", "9999-12-31T23").is_err());
    }
}
