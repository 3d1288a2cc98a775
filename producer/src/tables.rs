//! The tables `users` and `articles`: ours, or someone else's under the same names.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use uuid::Uuid;

use crate::shop::{Article, Shop, User};

/// Rows per statement.
const BATCH: usize = 5000;

const USERS: &[(&str, &str)] =
    &[("id", "uuid"), ("name", "text"), ("address", "text"), ("number", "text"), ("email", "text")];
const ARTICLES: &[(&str, &str)] = &[("id", "uuid"), ("name", "text"), ("price", "numeric"), ("currency", "text")];

const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS users (
         id uuid PRIMARY KEY, name text, address text, number text, email text)",
    "CREATE TABLE IF NOT EXISTS articles (
         id uuid PRIMARY KEY, name text, price numeric, currency text)",
];

/// As an ORM elsewhere would: each statement by itself, so that for a moment there is no table.
const CREATE_AS_FOREIGNER: [&str; 4] = [
    "DROP TABLE IF EXISTS users",
    "DROP TABLE IF EXISTS articles",
    "CREATE TABLE users (
         id varchar PRIMARY KEY, name varchar, address varchar, number varchar, email varchar)",
    "CREATE TABLE articles (
         id varchar PRIMARY KEY, name varchar, price double precision, currency varchar)",
];

/// How many rows were new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stocked {
    /// Rows added to `users`.
    pub users: u64,
    /// Rows added to `articles`.
    pub articles: u64,
}

/// Makes the two tables where they are missing and adds the rows that are not there.
///
/// Tables that exist keep their types, whatever they are, as long as the values can be cast; rows
/// that exist stay as they are. Errs as the database does.
pub async fn stock(shop: &Shop, pool: &PgPool) -> Result<Stocked, sqlx::Error> {
    fill(shop, pool, &CREATE).await
}

/// Drops the two tables, makes them with `id` as varchar and `price` as double precision, and fills
/// them: what a producer does that knows nothing of this project. Errs as the database does, for
/// example when an object depends on one of the tables.
pub async fn stock_as_foreigner(shop: &Shop, pool: &PgPool) -> Result<Stocked, sqlx::Error> {
    fill(shop, pool, &CREATE_AS_FOREIGNER).await
}

async fn fill(shop: &Shop, pool: &PgPool, ddl: &[&'static str]) -> Result<Stocked, sqlx::Error> {
    for statement in ddl {
        sqlx::query(*statement).execute(pool).await?;
    }
    let users = insert_users(shop.users(), pool).await?;
    let articles = insert_articles(shop.articles(), pool).await?;
    Ok(Stocked { users, articles })
}

async fn insert_users(users: &[User], pool: &PgPool) -> Result<u64, sqlx::Error> {
    let sql = insert("users", USERS, pool).await?;
    let mut added = 0;
    for batch in users.chunks(BATCH) {
        let statement = sqlx::query(AssertSqlSafe(sql.clone()));
        added += bind_users(statement, batch).execute(pool).await?.rows_affected();
    }
    Ok(added)
}

async fn insert_articles(articles: &[Article], pool: &PgPool) -> Result<u64, sqlx::Error> {
    let sql = insert("articles", ARTICLES, pool).await?;
    let mut added = 0;
    for batch in articles.chunks(BATCH) {
        let statement = sqlx::query(AssertSqlSafe(sql.clone()));
        added += bind_articles(statement, batch).execute(pool).await?.rows_affected();
    }
    Ok(added)
}

type Statement = Query<'static, Postgres, PgArguments>;

fn bind_users(statement: Statement, batch: &[User]) -> Statement {
    let (mut ids, mut names, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    let (mut numbers, mut emails) = (Vec::new(), Vec::new());
    for User { id, name, address, number, email } in batch.iter().cloned() {
        ids.push(id);
        names.push(name);
        addresses.push(address);
        numbers.push(number);
        emails.push(email);
    }
    statement.bind(ids).bind(names).bind(addresses).bind(numbers).bind(emails)
}

fn bind_articles(statement: Statement, batch: &[Article]) -> Statement {
    let (mut ids, mut names) = (Vec::<Uuid>::new(), Vec::<String>::new());
    let (mut prices, mut currencies) = (Vec::<Decimal>::new(), Vec::<&'static str>::new());
    for Article { id, name, price, currency } in batch.iter().cloned() {
        ids.push(id);
        names.push(name);
        prices.push(price);
        currencies.push(currency.code());
    }
    statement.bind(ids).bind(names).bind(prices).bind(currencies)
}

/// The insert of `table` as it is now: each value is cast to the type of its column. Existing ids
/// are left out by both means there are, since a foreign table may have no primary key.
async fn insert(table: &'static str, columns: &[(&str, &str)], pool: &PgPool) -> Result<String, sqlx::Error> {
    let types = column_types(table, pool).await?;
    let of = |column: &str| types.get(column).map_or("text", String::as_str);
    let names = list(columns, |column, _| column.to_owned());
    let values = list(columns, |column, _| format!("new.{column}::{}", of(column)));
    let mut position = 0;
    let arrays = list(columns, |_, wire| {
        position += 1;
        format!("${position}::{wire}[]")
    });
    let id = of("id");
    Ok(format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM UNNEST({arrays}) AS new({names}) \
         WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE old.id = new.id::{id}) \
         ON CONFLICT DO NOTHING"
    ))
}

fn list(columns: &[(&str, &str)], mut part: impl FnMut(&str, &str) -> String) -> String {
    let parts: Vec<String> = columns.iter().map(|(column, wire)| part(column, wire)).collect();
    parts.join(", ")
}

/// The types of the columns of the `table` that the search path leads to, as SQL writes them.
async fn column_types(table: &'static str, pool: &PgPool) -> Result<HashMap<String, String>, sqlx::Error> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
          WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
    )
    .bind(table)
    .fetch_all(pool)
    .await?;
    Ok(columns.into_iter().collect())
}

/// Whether another try may do better: the server is away, or the tables are being made or dropped
/// by someone else at this moment.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let class = code.get(..2).unwrap_or_default();
            ["08", "40", "53", "55", "57", "58"].contains(&class)
                // A table or its type appears, or has gone, between two statements.
                || ["23505", "42P01", "42P07", "42710", "XX000"].contains(&&*code)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_waited_for() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(is_passing(&sqlx::Error::Io(refused)));
        assert!(is_passing(&sqlx::Error::PoolTimedOut));
        assert!(!is_passing(&sqlx::Error::RowNotFound));
    }
}
