//! Adding rows to a table whose types may be anybody's.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection};

/// Rows per statement.
const BATCH: usize = 5_000;

/// Rows for one table, as text, column by column. The first column is the key.
pub(super) struct Rows<const N: usize> {
    table: &'static str,
    columns: &'static [&'static str; N],
    values: [Vec<String>; N],
}

impl<const N: usize> Rows<N> {
    pub(super) fn new(table: &'static str, columns: &'static [&'static str; N]) -> Rows<N> {
        Rows { table, columns, values: [const { Vec::new() }; N] }
    }

    pub(super) fn add(&mut self, row: [String; N]) {
        for (column, value) in self.values.iter_mut().zip(row) {
            column.push(value);
        }
    }
}

/// Adds the rows whose key is not there; their number. Each value is cast to the type of its column.
pub(super) async fn insert<const N: usize>(rows: Rows<N>, conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let sql = statement(&rows, conn).await?;
    let mut added = 0;
    for from in (0..rows.values[0].len()).step_by(BATCH) {
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for column in &rows.values {
            query = query.bind(&column[from..column.len().min(from + BATCH)]);
        }
        added += query.execute(&mut *conn).await?.rows_affected();
    }
    Ok(added)
}

/// The insert for the table as it is now. Existing keys are left out by both means there are, since a
/// foreign table may have no primary key.
async fn statement<const N: usize>(rows: &Rows<N>, conn: &mut PgConnection) -> Result<String, sqlx::Error> {
    let Rows { table, columns, .. } = rows;
    let types = column_types(table, conn).await?;
    let cast = |column: &str| format!("new.{column}::{}", types.get(column).map_or("text", String::as_str));
    let names = columns.join(", ");
    let values = columns.map(cast).join(", ");
    let arrays: Vec<String> = (1..=N).map(|position| format!("${position}::text[]")).collect();
    let (arrays, key, new_key) = (arrays.join(", "), columns[0], cast(columns[0]));
    Ok(format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM UNNEST({arrays}) AS new({names}) \
         WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE old.{key} = {new_key}) \
         ON CONFLICT DO NOTHING"
    ))
}

/// The types of the columns of the `table` that the search path leads to, as SQL writes them.
async fn column_types(table: &str, conn: &mut PgConnection) -> Result<HashMap<String, String>, sqlx::Error> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
          WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
    )
    .bind(table)
    .fetch_all(conn)
    .await?;
    Ok(columns.into_iter().collect())
}
