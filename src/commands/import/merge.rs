//! Rows into a table, which may be someone else's: its columns are taken as they are.

use std::collections::HashMap;

use anyhow::Context as _;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres};

use super::layout::Layout;
use super::row::Row;
use crate::pipeline::copy::BinaryCopy;

/// Rows on their way: copied into a table of this session, then merged in one statement.
pub(super) struct Merge {
    conn: PoolConnection<Postgres>,
    layout: &'static Layout,
    /// Type of each column that the table has.
    types: HashMap<String, String>,
    /// Which of the columns any row spoke of; the others are left alone.
    spoken_of: Vec<bool>,
    rows: i64,
}

/// How many ids went which way.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Merged {
    pub(super) inserted: i64,
    pub(super) updated: i64,
    /// Their rows were what they should be.
    pub(super) unchanged: i64,
}

impl Merge {
    /// Makes a place for the rows.
    ///
    /// # Errors
    /// When the database cannot be asked, or has no such table.
    pub(super) async fn begin(pool: &PgPool, layout: &'static Layout) -> anyhow::Result<Self> {
        let mut conn = pool.acquire().await.context("cannot reach the database")?;
        let (table, key) = (layout.table, layout.key().name);
        let types: HashMap<String, String> = column_types(&mut conn, table).await?.into_iter().collect();
        anyhow::ensure!(
            types.contains_key(key),
            "there is no table {table} with a column {key}: run `purser migrate` first"
        );
        let columns: Vec<String> =
            layout.columns.iter().map(|column| format!(", {} text COLLATE \"C\"", column.name)).collect();
        let create = format!("CREATE TEMPORARY TABLE imported (arrived bigint{})", columns.concat());
        sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await?;
        sqlx::query(AssertSqlSafe(create)).execute(&mut *conn).await?;
        Ok(Merge { conn, layout, types, spoken_of: vec![false; layout.columns.len()], rows: 0 })
    }

    /// Copies rows into their place; the table does not change yet.
    pub(super) async fn load(&mut self, rows: &[Row]) -> sqlx::Result<()> {
        let mut copy = BinaryCopy::new(i16::try_from(1 + self.layout.columns.len()).unwrap_or(i16::MAX));
        for row in rows {
            self.rows += 1;
            copy.row().value(self.rows)?;
            for (value, spoken_of) in row.values.iter().zip(&mut self.spoken_of) {
                *spoken_of |= value.is_some();
                copy.value(value.as_ref().and_then(Option::as_deref))?;
            }
        }
        copy.send(&mut self.conn, "COPY imported FROM STDIN (FORMAT binary)").await?;
        Ok(())
    }

    /// The columns that no row spoke of, where there were rows.
    pub(super) fn left_alone(&self) -> Vec<&'static str> {
        let columns = self.layout.columns.iter().zip(&self.spoken_of);
        columns.filter(|(_, spoken_of)| self.rows > 0 && !**spoken_of).map(|(column, _)| column.name).collect()
    }

    /// Merges everything; of rows with the same id the last one counts.
    pub(super) async fn finish(self) -> anyhow::Result<Merged> {
        let (table, key) = (self.layout.table, self.layout.key().name);
        let statement = self.statement();
        let mut conn = self.conn;
        let mut tx = conn.begin().await?;
        let merge = match is_unique(&mut tx, table, key).await? {
            true => statement.upsert(),
            false => {
                // Nothing else keeps two of us from inserting the same id.
                let lock = format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE");
                sqlx::query(AssertSqlSafe(lock)).execute(&mut *tx).await?;
                statement.update_and_insert()
            }
        };
        let merged = sqlx::query_as(AssertSqlSafe(merge)).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        conn.close().await?;
        Ok(merged)
    }

    fn statement(&self) -> Statement {
        let used = self.layout.columns.iter().zip(&self.spoken_of).skip(1).filter(|(_, spoken_of)| **spoken_of);
        let typed: Vec<(&str, &str)> =
            used.filter_map(|(column, _)| Some((column.name, self.types.get(column.name)?.as_str()))).collect();
        let key = self.layout.key().name;
        let key_type = self.types.get(key).map_or("text", String::as_str);
        let casts: String = typed.iter().map(|(name, r#type)| format!(", {name}::{type} AS {name}")).collect();
        let new = format!(
            "SELECT DISTINCT ON ({key}::{key_type}) {key}::{key_type} AS {key}{casts}
             FROM imported ORDER BY {key}::{key_type}, arrived DESC"
        );
        Statement { table: self.layout.table, key, columns: typed.into_iter().map(|(name, _)| name).collect(), new }
    }
}

/// What changes the table, and counts.
struct Statement {
    table: &'static str,
    key: &'static str,
    /// Those beside the key.
    columns: Vec<&'static str>,
    /// Selects the rows, each key once.
    new: String,
}

impl Statement {
    /// A row that is what it should be is not written again: that costs eight times as much as to look at it.
    fn upsert(&self) -> String {
        let Statement { table, key, new, .. } = self;
        let names = self.names();
        let on_conflict = match self.columns.is_empty() {
            true => "NOTHING".to_owned(),
            false => format!("UPDATE SET {} WHERE {}", self.set("EXCLUDED"), self.differs_from("EXCLUDED")),
        };
        format!(
            "WITH new AS MATERIALIZED ({new}),
                  merged AS (INSERT INTO {table} AS old ({key}{names}) SELECT * FROM new
                             ON CONFLICT ({key}) DO {on_conflict} RETURNING xmax = 0 AS inserted),
                  counts AS (SELECT count(*) FILTER (WHERE inserted) AS inserted,
                                    count(*) FILTER (WHERE NOT inserted) AS updated FROM merged)
             SELECT inserted, updated, (SELECT count(*) FROM new) - inserted - updated AS unchanged FROM counts"
        )
    }

    fn update_and_insert(&self) -> String {
        let Statement { table, key, new, .. } = self;
        let names = self.names();
        let updated = match self.columns.is_empty() {
            true => format!("SELECT NULL AS {key} WHERE false"),
            false => format!(
                "UPDATE {table} AS old SET {} FROM new WHERE old.{key} = new.{key} AND {} RETURNING old.{key}",
                self.set("new"),
                self.differs_from("new")
            ),
        };
        format!(
            "WITH new AS MATERIALIZED ({new}),
                  updated AS ({updated}),
                  inserted AS (INSERT INTO {table} ({key}{names}) SELECT * FROM new
                               WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE old.{key} = new.{key}) RETURNING 1),
                  counts AS (SELECT (SELECT count(*) FROM inserted) AS inserted,
                                    (SELECT count(DISTINCT {key}) FROM updated) AS updated)
             SELECT inserted, updated, (SELECT count(*) FROM new) - inserted - updated AS unchanged FROM counts"
        )
    }

    fn names(&self) -> String {
        self.columns.iter().map(|name| format!(", {name}")).collect()
    }

    fn set(&self, from: &str) -> String {
        let set: Vec<String> = self.columns.iter().map(|name| format!("{name} = {from}.{name}")).collect();
        set.join(", ")
    }

    fn differs_from(&self, other: &str) -> String {
        let of = |row: &str| self.columns.iter().map(|name| format!("{row}.{name}")).collect::<Vec<_>>().join(", ");
        format!("ROW({}) IS DISTINCT FROM ROW({})", of("old"), of(other))
    }
}

async fn column_types(conn: &mut PgConnection, table: &str) -> sqlx::Result<Vec<(String, String)>> {
    let columns = sqlx::query_as(
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
    );
    columns.bind(table).fetch_all(conn).await
}

/// Whether the table itself sees to it that a key occurs once, so that `ON CONFLICT (key)` works.
async fn is_unique(conn: &mut PgConnection, table: &str, key: &str) -> sqlx::Result<bool> {
    let unique = sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
             WHERE indrelid = to_regclass($1) AND attname = $2 AND indnkeyatts = 1 AND indisunique
               AND indisvalid AND indimmediate AND indpred IS NULL AND indexprs IS NULL)",
    );
    unique.bind(table).bind(key).fetch_one(conn).await
}
