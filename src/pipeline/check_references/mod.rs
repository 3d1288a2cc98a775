//! Do the rows that a batch refers to exist? One question per table and batch, behind a cache of
//! ids known to exist. An id that is not in the cache is always asked of the database.

mod wanted;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use rust_decimal::Decimal;
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use super::Unavailable;
use super::borrowed::Borrowed;
use super::shape::Place;
use super::verdict::{MissingReference, RowId, Table, Violation};
use crate::domain::State;
use wanted::{RowKey, Wanted};

/// A row that an event refers to, and the field that does.
#[derive(Debug, Clone)]
pub struct Reference {
    /// In which table.
    pub table: Table,
    /// Its id.
    pub id: RowId,
    /// The object that holds the field.
    pub place: Place,
    /// The field's name.
    pub field: &'static str,
}

impl Reference {
    /// The violation that this reference is when its row does not exist, where that is one.
    #[must_use]
    pub fn unknown(&self) -> Option<Violation> {
        let expected = format!("the {} of a row in {}", self.table.key(), self.table);
        let violation = |code| Violation::new(code, self.place.field(self.field), expected, &self.id.to_string());
        self.table.unknown().map(violation)
    }

    /// The row that is missing.
    #[must_use]
    pub fn missing(&self) -> MissingReference {
        MissingReference { table: self.table, id: self.id.clone() }
    }
}

/// What is copied out of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The state of the address, where there is one.
    pub state: Option<State>,
}

/// What is copied out of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Its name.
    pub name: Option<String>,
    /// The price of one. Absent when the table holds none, or a value that is no amount of money.
    pub price: Option<Decimal>,
    /// The currency of the price.
    pub currency: Option<String>,
}

/// What is copied out of a shopper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shopper {
    /// The market.
    pub country: Option<String>,
    /// As the table has it.
    pub gender: Option<String>,
}

/// The reference rows of one batch.
#[derive(Debug, Default)]
pub struct Known {
    shoppers: HashMap<Box<str>, Arc<Shopper>>,
    users: HashMap<Uuid, Arc<User>>,
    articles: HashMap<Uuid, Arc<Article>>,
}

impl Known {
    /// The user, where it exists.
    #[must_use]
    pub fn user(&self, id: &Uuid) -> Option<&Arc<User>> {
        self.users.get(id)
    }

    /// The article, where it exists.
    #[must_use]
    pub fn article(&self, id: &Uuid) -> Option<&Arc<Article>> {
        self.articles.get(id)
    }

    /// The shopper, where it exists.
    #[must_use]
    pub fn shopper(&self, id: &str) -> Option<&Arc<Shopper>> {
        self.shoppers.get(id)
    }

    /// Whether the referenced row exists.
    #[must_use]
    pub fn has(&self, reference: &Reference) -> bool {
        match (reference.table, &reference.id) {
            (Table::Users, RowId::Uuid(id)) => self.users.contains_key(id),
            (Table::Articles, RowId::Uuid(id)) => self.articles.contains_key(id),
            (Table::Shoppers, RowId::Text(id)) => self.shoppers.contains_key(id),
            _ => false,
        }
    }
}

/// The reference tables, which may belong to someone else who drops and makes them again.
///
/// They are read outside of any transaction, and no answer is trusted for longer than the time to live.
#[derive(Clone)]
pub struct References {
    pool: PgPool,
    users: Cache<Uuid, Arc<User>>,
    articles: Cache<Uuid, Arc<Article>>,
    shoppers: Cache<Box<str>, Arc<Shopper>>,
}

impl References {
    /// How long an id once seen is believed to exist.
    pub const TIME_TO_LIVE: Duration = Duration::from_secs(30);
    /// How many ids of each table are remembered.
    pub const CAPACITY: u64 = 200_000;

    /// Reference tables behind an empty cache.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        References { pool, users: cache(), articles: cache(), shoppers: cache() }
    }

    /// Looks up every referenced row of a batch.
    ///
    /// # Errors
    /// The database cannot be asked, or a table is not there or has not the columns it should have:
    /// never a verdict about an event.
    pub async fn look_up(&self, references: impl Iterator<Item = &Reference>) -> Result<Known, Unavailable> {
        let (mut users, mut articles) = (Wanted::new(&self.users), Wanted::new(&self.articles));
        let mut shoppers = Wanted::new(&self.shoppers);
        for reference in references {
            match (reference.table, &reference.id) {
                (Table::Users, RowId::Uuid(id)) => users.want(id),
                (Table::Articles, RowId::Uuid(id)) => articles.want(id),
                (Table::Shoppers, RowId::Text(id)) => shoppers.want(id),
                _ => {}
            }
        }
        let users = users.complete(|ids| self.ask(Table::Users, "address", ids), user).await?;
        let articles = articles
            .complete(|ids| self.ask(Table::Articles, "name, price::text, currency::text", ids), article)
            .await?;
        let shoppers =
            shoppers.complete(|ids| self.ask(Table::Shoppers, "country::text, gender::text", ids), shopper).await?;
        Ok(Known { shoppers, users, articles })
    }

    /// Asks for rows by key, whether the column is a uuid or text.
    async fn ask(
        &self,
        table: Table,
        columns: &'static str,
        mut ids: Vec<String>,
    ) -> sqlx::Result<Vec<sqlx::postgres::PgRow>> {
        let (mut conn, key) = (Borrowed::from(&self.pool).await?, table.key());
        let id_type: String = sqlx::query_scalar(
            "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2",
        )
        .bind(table.as_str())
        .bind(key)
        .persistent(false)
        .fetch_one(conn.get()?)
        .await?;
        let is_uuid = id_type == "uuid";
        // What is no uuid names no row of such a table.
        ids.retain(|id| !is_uuid || Uuid::try_parse(id).is_ok());
        let array = if is_uuid { "uuid[]" } else { "text[]" };
        let sql = format!("SELECT {key}::text, {columns} FROM {table} WHERE {key} = ANY($1::text[]::{array})");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids).persistent(false).fetch_all(conn.get()?).await?;
        conn.give_back();
        Ok(rows)
    }
}

fn cache<Id: RowKey, V: Clone + Send + Sync + 'static>() -> Cache<Id, V> {
    Cache::builder().max_capacity(References::CAPACITY).time_to_live(References::TIME_TO_LIVE).build()
}

fn user(row: &sqlx::postgres::PgRow) -> sqlx::Result<User> {
    let address: Option<&str> = row.try_get(1)?;
    Ok(User { state: address.and_then(State::of_address) })
}

fn article(row: &sqlx::postgres::PgRow) -> sqlx::Result<Article> {
    let price: Option<&str> = row.try_get(2)?;
    Ok(Article { name: row.try_get(1)?, price: price.and_then(money), currency: currency(row.try_get(3)?) })
}

fn shopper(row: &sqlx::postgres::PgRow) -> sqlx::Result<Shopper> {
    Ok(Shopper { country: row.try_get(1)?, gender: row.try_get(2)? })
}

/// A longer text is no currency, and would not fit into the key of a rollup.
fn currency(text: Option<String>) -> Option<String> {
    text.filter(|currency| currency.len() <= 16)
}

/// A price as Postgres prints it; `NaN`, infinities and what is beyond 15 digits are no money.
fn money(text: &str) -> Option<Decimal> {
    let price = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    (price.abs() < Decimal::from(1_000_000_000_000_i64)).then(|| price.round_dp(4).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_and_bounded() {
        let cases = [
            ("44.53", Some("44.53")),
            ("41", Some("41")),
            ("41.00", Some("41")),
            ("1e-05", Some("0")),
            ("12345678901.123456789", Some("12345678901.1235")),
            ("1e+20", None),
            ("NaN", None),
            ("Infinity", None),
        ];
        for (text, expected) in cases {
            assert_eq!(money(text).map(|price| price.to_string()).as_deref(), expected, "{text}");
        }
    }
}
