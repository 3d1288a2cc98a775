//! What the tables of all kinds have in common: a key, and a hash of each row's content.

use std::collections::HashMap;
use std::hash::Hash;

use sqlx::postgres::PgHasArrayType;
use sqlx::{AssertSqlSafe, Connection as _, Decode, Encode, PgConnection, Postgres, Type};

use super::{ContentHash, FORGOTTEN};
use crate::pipeline::copy::BinaryCopy;

/// A table of events.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub table: &'static str,
    /// The columns that are written, with commas between them.
    pub columns: &'static str,
    /// The column of the unique key.
    pub key: &'static str,
}

/// Which rows were not there yet, and are now.
#[derive(Debug, PartialEq, Eq)]
pub enum Inserted<Key> {
    /// All of them.
    All,
    /// Those with these keys.
    Only(Vec<Key>),
}

impl<Key> Inserted<Key> {
    /// The keys of the rows that are there now; `all` are those of all of them.
    pub fn keys(self, all: impl Iterator<Item = Key>) -> Vec<Key> {
        match self {
            Inserted::All => all.collect(),
            Inserted::Only(keys) => keys,
        }
    }
}

/// The contents under some keys.
#[derive(Debug)]
pub struct Stored<Key> {
    /// By the current version of the rules.
    pub hashes: HashMap<Key, ContentHash>,
    /// Keys of rows whose content was hashed by another version, and is to be hashed anew from the columns.
    pub outdated: Vec<Key>,
}

/// The type of a key column.
pub trait Key:
    for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType + Send + Sync + Unpin
{
}

impl<T> Key for T where
    T: for<'r> Decode<'r, Postgres>
        + for<'q> Encode<'q, Postgres>
        + Type<Postgres>
        + PgHasArrayType
        + Send
        + Sync
        + Unpin
{
}

impl Target {
    /// Inserts the rows whose keys are not there yet. `rows` have the columns of the target.
    ///
    /// Nearly every batch is all new, and `COPY` writes that twice as fast as `INSERT … ON CONFLICT` does. It
    /// is tried first, under a savepoint; where a key is taken, the insert that leaves taken keys alone follows.
    ///
    /// # Errors
    /// Whatever Postgres says of the rows, except that a key is taken.
    pub async fn insert_new<K: Key>(&self, conn: &mut PgConnection, rows: &BinaryCopy) -> sqlx::Result<Inserted<K>> {
        let Target { table, columns, .. } = self;
        let mut savepoint = conn.begin().await?;
        match rows.send(&mut savepoint, &format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")).await {
            Ok(_) => savepoint.commit().await.map(|()| Inserted::All),
            Err(error) if is_taken(&error) => {
                savepoint.rollback().await?;
                self.insert_untaken(conn, rows).await.map(Inserted::Only)
            }
            Err(error) => Err(error),
        }
    }

    /// In the order of `rows`, which is the order in which every transaction locks keys.
    async fn insert_untaken<K: Key>(&self, conn: &mut PgConnection, rows: &BinaryCopy) -> sqlx::Result<Vec<K>> {
        let Target { table, columns, key } = self;
        let stage = format!(
            "CREATE TEMPORARY TABLE IF NOT EXISTS new_{table} ON COMMIT DELETE ROWS
             AS SELECT {columns} FROM {table} WITH NO DATA"
        );
        sqlx::query(AssertSqlSafe(stage)).execute(&mut *conn).await?;
        rows.send(conn, &format!("COPY new_{table} ({columns}) FROM STDIN (FORMAT binary)")).await?;
        let insert = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM new_{table} ORDER BY ctid
             ON CONFLICT ({key}) DO NOTHING RETURNING {key}"
        );
        sqlx::query_scalar(AssertSqlSafe(insert)).fetch_all(conn).await
    }

    /// The contents under `keys`, from the columns `content_hash` and `hash_version`. A hash without bytes is that
    /// of a row whose person was forgotten.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn stored<K: Key + Eq + Hash + Clone>(
        &self,
        conn: &mut PgConnection,
        keys: &[K],
        version: i16,
    ) -> sqlx::Result<Stored<K>> {
        let Target { table, key, .. } = self;
        let select = format!("SELECT {key}, content_hash, hash_version FROM {table} WHERE {key} = ANY($1)");
        let rows: Vec<(K, Vec<u8>, i16)> =
            sqlx::query_as(AssertSqlSafe(select)).bind(keys.to_vec()).fetch_all(conn).await?;
        let mut stored = Stored { hashes: HashMap::with_capacity(rows.len()), outdated: Vec::new() };
        for (key, hash, hashed_by) in rows {
            if hash.is_empty() {
                stored.hashes.insert(key, FORGOTTEN);
                continue;
            }
            match ContentHash::try_from(hash) {
                Ok(hash) if hashed_by == version => drop(stored.hashes.insert(key, hash)),
                _ => stored.outdated.push(key),
            }
        }
        Ok(stored)
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
