//! The rollups of purchases: sales by state, by article and over time, at three grains.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::Row;
use crate::domain::{start_of_day, start_of_hour, start_of_month};

/// What stands in a rollup where a purchase has no state, or an article no currency.
const UNKNOWN: &str = "unknown";

/// Where a sale is counted: grain, start of the period (UTC), value of the dimension, currency.
type Cell = (&'static str, DateTime<Utc>, String, String);

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Measures {
    purchases: i64,
    units: i64,
    amount: Decimal,
    name: Option<String>,
}

type Deltas = BTreeMap<Cell, Measures>;

/// The deltas of a batch, by rollup. Sorted, so that transactions lock rollup rows in one order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sales {
    by_state: Deltas,
    by_article: Deltas,
    over_time: Deltas,
}

/// Adds rows that were really inserted to the rollups.
pub(super) async fn roll_up(conn: &mut PgConnection, rows: &[&Row], shard: i16) -> sqlx::Result<()> {
    let Sales { by_state, by_article, over_time } = fold(rows);
    upsert(conn, BY_STATE, by_state, shard).await?;
    upsert(conn, BY_ARTICLE, by_article, shard).await?;
    upsert(conn, OVER_TIME, over_time, shard).await
}

fn fold(rows: &[&Row]) -> Sales {
    let mut hourly = Sales::default();
    for row in rows {
        hourly.add(row);
    }
    let Sales { by_state, by_article, over_time } = hourly;
    Sales { by_state: coarser(by_state), by_article: coarser(by_article), over_time: coarser(over_time) }
}

impl Sales {
    fn add(&mut self, row: &Row) {
        let hour = start_of_hour(row.purchase.occurred_at);
        let state = row.state.as_ref().map_or(UNKNOWN, |state| state.as_str());
        let (mut currencies, mut articles) = (BTreeSet::new(), BTreeSet::new());
        for (line, article) in row.purchase.lines.iter().zip(&row.articles) {
            let currency = article.currency.as_deref().unwrap_or(UNKNOWN);
            let units = i64::from(line.quantity);
            let amount = article.price.map_or(Decimal::ZERO, |price| price * Decimal::from(units));
            let count = |deltas: &mut Deltas, dimension: String, purchases: bool| {
                let cell = deltas.entry(("hour", hour, dimension, currency.to_owned())).or_default();
                cell.purchases += i64::from(purchases);
                cell.units += units;
                cell.amount += amount;
                cell.name.clone_from(&article.name);
            };
            let first_line = currencies.is_empty();
            count(&mut self.over_time, String::new(), first_line);
            count(&mut self.by_state, state.to_owned(), currencies.insert(currency));
            count(&mut self.by_article, line.article_id.to_string(), articles.insert(line.article_id));
        }
    }
}

/// Adds the days and months that the hours belong to.
fn coarser(hours: Deltas) -> Deltas {
    let mut all = Deltas::new();
    for ((_, hour, dimension, currency), delta) in hours {
        for (grain, start) in [("hour", hour), ("day", start_of_day(hour)), ("month", start_of_month(hour))] {
            let sum = all.entry((grain, start, dimension.clone(), currency.clone())).or_default();
            sum.purchases += delta.purchases;
            sum.units += delta.units;
            sum.amount += delta.amount;
            sum.name.clone_from(&delta.name);
        }
    }
    all
}

const BY_STATE: &str = "
    INSERT INTO sales_by_state AS sum (grain, starts_at, state, currency, shard, purchases, units, amount)
    SELECT grain::grain, starts_at, dimension, currency, $1, purchases, units, amount
    FROM UNNEST($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::numeric[], $9::text[])
         AS delta (grain, starts_at, dimension, currency, purchases, units, amount, name)
    ON CONFLICT (grain, starts_at, state, currency, shard) DO UPDATE SET
        purchases = sum.purchases + EXCLUDED.purchases,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount";

const BY_ARTICLE: &str = "
    INSERT INTO sales_by_article AS sum (grain, starts_at, article_id, currency, shard, purchases, units, amount, article_name)
    SELECT grain::grain, starts_at, dimension::uuid, currency, $1, purchases, units, amount, name
    FROM UNNEST($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::numeric[], $9::text[])
         AS delta (grain, starts_at, dimension, currency, purchases, units, amount, name)
    ON CONFLICT (grain, starts_at, article_id, currency, shard) DO UPDATE SET
        purchases = sum.purchases + EXCLUDED.purchases,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount,
        article_name = EXCLUDED.article_name";

const OVER_TIME: &str = "
    INSERT INTO sales_over_time AS sum (grain, starts_at, currency, shard, sales, units, amount)
    SELECT grain::grain, starts_at, currency, $1, purchases, units, amount
    FROM UNNEST($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::numeric[], $9::text[])
         AS delta (grain, starts_at, dimension, currency, purchases, units, amount, name)
    ON CONFLICT (grain, starts_at, currency, shard) DO UPDATE SET
        sales = sum.sales + EXCLUDED.sales,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount";

async fn upsert(conn: &mut PgConnection, sql: &'static str, deltas: Deltas, shard: i16) -> sqlx::Result<()> {
    let (mut grains, mut starts, mut dimensions, mut currencies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut purchases, mut units, mut amounts, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((grain, start, dimension, currency), delta) in deltas {
        grains.push(grain);
        starts.push(start);
        dimensions.push(dimension);
        currencies.push(currency);
        purchases.push(delta.purchases);
        units.push(delta.units);
        amounts.push(delta.amount);
        names.push(delta.name);
    }
    let query = sqlx::query(sql).bind(shard).bind(grains).bind(starts).bind(dimensions).bind(currencies);
    query.bind(purchases).bind(units).bind(amounts).bind(names).execute(conn).await?;
    Ok(())
}
