//! The tables of the shop: ours, or someone else's under the same names.

mod insert;

use std::pin::Pin;

use sqlx::{PgConnection, PgPool};

use crate::patience::Patience;
use crate::sales::Sale;
use crate::shop::Shop;
use crate::shoppers::Shopper;
use insert::{Rows, insert};

const USERS_AND_ARTICLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS users (
         id uuid PRIMARY KEY, name text, address text, number text, email text)",
    "CREATE TABLE IF NOT EXISTS articles (
         id uuid PRIMARY KEY, name text, price numeric, currency text)",
];

/// As an ORM elsewhere would: each statement by itself, so that for a moment there is no table.
const AS_A_FOREIGNER: [&str; 4] = [
    "DROP TABLE IF EXISTS users",
    "DROP TABLE IF EXISTS articles",
    "CREATE TABLE users (
         id varchar PRIMARY KEY, name varchar, address varchar, number varchar, email varchar)",
    "CREATE TABLE articles (
         id varchar PRIMARY KEY, name varchar, price double precision, currency varchar)",
];

const SHOPPERS: [&str; 1] = ["CREATE TABLE IF NOT EXISTS shoppers (
         user_id text PRIMARY KEY, country text, gender text)"];

const ORDERS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS orders (
         id text PRIMARY KEY, user_id text, order_date timestamptz NOT NULL, order_status text,
         device_type text, order_total numeric)",
    "CREATE TABLE IF NOT EXISTS order_items (
         id text PRIMARY KEY, order_id text NOT NULL, code_color text, quantity integer)",
];

/// How many rows were new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stocked {
    /// Rows added to `users`.
    pub users: u64,
    /// Rows added to `articles`.
    pub articles: u64,
}

/// Makes the tables `users` and `articles` where they are missing and adds the rows that are not there.
///
/// Tables that exist keep their types, whatever they are, as long as the values can be cast; rows
/// that exist stay as they are. Errs as the database does.
pub async fn stock(shop: &Shop, pool: &PgPool) -> Result<Stocked, sqlx::Error> {
    fill(shop, pool, &USERS_AND_ARTICLES).await
}

/// Drops the two tables, makes them with `id` as varchar and `price` as double precision, and fills
/// them: what a producer does that knows nothing of this project. Errs as the database does, for
/// example when an object depends on one of the tables.
pub async fn stock_as_foreigner(shop: &Shop, pool: &PgPool) -> Result<Stocked, sqlx::Error> {
    fill(shop, pool, &AS_A_FOREIGNER).await
}

/// Adds shoppers to the table `shoppers`, as [`stock`] does; the number of rows that are new.
pub async fn register(shoppers: &[Shopper], pool: &PgPool) -> Result<u64, sqlx::Error> {
    make(&SHOPPERS, pool).await?;
    let mut conn = pool.acquire().await?;
    let mut rows = Rows::new("shoppers", &["user_id", "country", "gender"]);
    for shopper in shoppers {
        rows.add([shopper.user_id(), shopper.market.code.to_owned(), shopper.gender.to_owned()]);
    }
    insert(rows, &mut conn).await
}

/// Makes the tables `orders` and `order_items` where they are missing.
pub(crate) async fn make_orders(pool: &PgPool) -> Result<(), sqlx::Error> {
    make(&ORDERS, pool).await
}

/// Adds orders with their items, all of them or none.
pub(crate) async fn record(sales: &[Sale], pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    insert_sales(sales, &mut transaction).await?;
    transaction.commit().await
}

async fn insert_sales(sales: &[Sale], conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut orders =
        Rows::new("orders", &["id", "user_id", "order_date", "order_status", "device_type", "order_total"]);
    let mut items = Rows::new("order_items", &["id", "order_id", "code_color", "quantity"]);
    for sale in sales {
        let Sale { id, user_id, order_date, order_status, device_type, order_total, items: of_sale } = sale.clone();
        let (date, total) = (order_date.to_rfc3339(), order_total.to_string());
        for item in of_sale {
            items.add([item.id, id.clone(), item.code_color, item.quantity.to_string()]);
        }
        orders.add([id, user_id, date, order_status.to_owned(), device_type, total]);
    }
    insert(orders, conn).await?;
    insert(items, conn).await?;
    Ok(())
}

async fn fill(shop: &Shop, pool: &PgPool, ddl: &[&'static str]) -> Result<Stocked, sqlx::Error> {
    make(ddl, pool).await?;
    let mut conn = pool.acquire().await?;
    let mut users = Rows::new("users", &["id", "name", "address", "number", "email"]);
    for user in shop.users().iter().cloned() {
        users.add([user.id.to_string(), user.name, user.address, user.number, user.email]);
    }
    let mut articles = Rows::new("articles", &["id", "name", "price", "currency"]);
    for article in shop.articles().iter().cloned() {
        let currency = article.currency.code().to_owned();
        articles.add([article.id.to_string(), article.name, article.price.to_string(), currency]);
    }
    Ok(Stocked { users: insert(users, &mut conn).await?, articles: insert(articles, &mut conn).await? })
}

async fn make(ddl: &[&'static str], pool: &PgPool) -> Result<(), sqlx::Error> {
    for statement in ddl {
        sqlx::query(*statement).execute(pool).await?;
    }
    Ok(())
}

/// Something that the database may be too busy, or too far away, to do now.
pub(crate) type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

/// Tries until `attempt` succeeds or waiting cannot heal what it failed of.
pub(crate) async fn patiently<'a, T>(attempt: impl Fn() -> Attempt<'a, T>) -> Result<T, sqlx::Error> {
    let mut patience = Patience::new("Postgres");
    loop {
        match attempt().await {
            Err(error) if is_passing(&error) => patience.wait(error).await,
            done => {
                patience.over();
                return done;
            }
        }
    }
}

/// Whether another try may do better: the server is away, or the tables are being made or dropped
/// by someone else at this moment.
fn is_passing(error: &sqlx::Error) -> bool {
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
mod tests;
