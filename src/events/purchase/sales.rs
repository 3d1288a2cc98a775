//! The rollups of purchases: sales by state, by article and over time, at three grains.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Row;
use crate::domain::{State, start_of_day, start_of_hour, start_of_month};
use crate::pipeline::check_references::Article;

/// What stands in a rollup where a purchase has no state, or an article no currency.
const UNKNOWN: &str = "unknown";

/// What is summed up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Measures<'r> {
    purchases: i64,
    units: i64,
    amount: Decimal,
    name: Option<&'r str>,
}

/// Where an hour's sale is counted: the hour (UTC), the value of the dimension, the currency.
type Hourly<'r, D> = HashMap<(DateTime<Utc>, D, &'r str), Measures<'r>>;

/// The same at every grain, in one order for all transactions, so that they lock rollup rows in that order.
type Deltas<'r> = BTreeMap<(&'static str, DateTime<Utc>, String, &'r str), Measures<'r>>;

/// Adds rows that were really inserted to the rollups.
pub(super) async fn roll_up(conn: &mut PgConnection, rows: &[&Row], shard: i16) -> sqlx::Result<()> {
    let Sales { by_state, by_article, over_time } = Sales::of(rows);
    upsert(conn, BY_STATE, every_grain(by_state, str::to_owned), shard).await?;
    upsert(conn, BY_ARTICLE, every_grain(by_article, |article| article.to_string()), shard).await?;
    upsert(conn, OVER_TIME, every_grain(over_time, |()| String::new()), shard).await
}

/// The sales of a batch by hour, for each rollup.
#[derive(Default)]
struct Sales<'r> {
    by_state: Hourly<'r, &'r str>,
    by_article: Hourly<'r, Uuid>,
    over_time: Hourly<'r, ()>,
}

impl<'r> Sales<'r> {
    fn of(rows: &[&'r Row]) -> Self {
        let mut sales = Sales::default();
        for row in rows {
            sales.add(row);
        }
        sales
    }

    fn add(&mut self, row: &'r Row) {
        let hour = start_of_hour(row.purchase.occurred_at);
        let state = row.state.as_ref().map_or(UNKNOWN, State::as_str);
        for (number, (line, article)) in row.purchase.lines.iter().zip(&row.articles).enumerate() {
            let currency = currency(article);
            let units = i64::from(line.quantity);
            let amount = article.price.map_or(Decimal::ZERO, |price| price * Decimal::from(units));
            let sale = Measures { purchases: 0, units, amount, name: article.name.as_deref() };
            let new_currency = row.articles[..number].iter().all(|before| self::currency(before) != currency);
            let new_article = row.purchase.lines[..number].iter().all(|before| before.article_id != line.article_id);
            add(self.over_time.entry((hour, (), currency)).or_default(), sale, number == 0);
            add(self.by_state.entry((hour, state, currency)).or_default(), sale, new_currency);
            add(self.by_article.entry((hour, line.article_id, currency)).or_default(), sale, new_article);
        }
    }
}

fn currency(article: &Article) -> &str {
    article.currency.as_deref().unwrap_or(UNKNOWN)
}

fn add<'r>(sum: &mut Measures<'r>, sale: Measures<'r>, counts_as_purchase: bool) {
    sum.purchases += sale.purchases + i64::from(counts_as_purchase);
    sum.units += sale.units;
    sum.amount += sale.amount;
    sum.name = sale.name.or(sum.name);
}

/// Adds the days and months that the hours belong to.
fn every_grain<'r, D>(hours: Hourly<'r, D>, text: impl Fn(D) -> String) -> Deltas<'r> {
    let mut hours: Vec<_> = hours.into_iter().collect();
    hours.sort_unstable_by_key(|((hour, ..), _)| *hour);
    let mut all = Deltas::new();
    for ((hour, dimension, currency), delta) in hours {
        let dimension = text(dimension);
        for (grain, start) in [("hour", hour), ("day", start_of_day(hour)), ("month", start_of_month(hour))] {
            add(all.entry((grain, start, dimension.clone(), currency)).or_default(), delta, false);
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
        article_name = coalesce(EXCLUDED.article_name, sum.article_name)";

const OVER_TIME: &str = "
    INSERT INTO sales_over_time AS sum (grain, starts_at, currency, shard, sales, units, amount)
    SELECT grain::grain, starts_at, currency, $1, purchases, units, amount
    FROM UNNEST($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::numeric[], $9::text[])
         AS delta (grain, starts_at, dimension, currency, purchases, units, amount, name)
    ON CONFLICT (grain, starts_at, currency, shard) DO UPDATE SET
        sales = sum.sales + EXCLUDED.sales,
        units = sum.units + EXCLUDED.units,
        amount = sum.amount + EXCLUDED.amount";

async fn upsert(conn: &mut PgConnection, sql: &'static str, deltas: Deltas<'_>, shard: i16) -> sqlx::Result<()> {
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
