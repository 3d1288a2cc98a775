//! Reference data: it may be somebody else's, of other types, or not there at all.

use sqlx::{AssertSqlSafe, PgPool};

use super::Report;
use crate::database::Run;
use crate::domain::Person;

/// Who a person is, is removed; what they ordered from the shop stays, under the pseudonym where it fits.
pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run, report: &mut Report) -> sqlx::Result<()> {
    for (table, key) in [("users", "id"), ("shoppers", "user_id")] {
        if r#type(pool, table, key).await?.is_some() {
            let delete = format!("DELETE FROM {table} WHERE {key}::text = ANY($1) AND $2::uuid[] IS NOT NULL");
            touch(pool, person, run, table, delete, report).await?;
        }
    }
    let pseudonym = match r#type(pool, "orders", "user_id").await?.as_deref() {
        Some(r#type @ ("text" | "character varying" | "uuid")) => format!("person.pseudonym::text::{type}"),
        Some(_) => "NULL".to_owned(),
        None => return Ok(()),
    };
    let update = format!(
        "UPDATE orders SET user_id = {pseudonym} FROM UNNEST($1::text[], $2::uuid[]) AS person (id, pseudonym)
         WHERE orders.user_id::text = person.id"
    );
    touch(pool, person, run, "orders", update, report).await
}

async fn r#type(pool: &PgPool, table: &str, column: &str) -> sqlx::Result<Option<String>> {
    let of = "SELECT format_type(atttypid, NULL) FROM pg_attribute
              WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped";
    sqlx::query_scalar(of).bind(table).bind(column).fetch_optional(pool).await
}

async fn touch(
    pool: &PgPool,
    person: &Person,
    run: Run,
    table: &'static str,
    statement: String,
    report: &mut Report,
) -> sqlx::Result<()> {
    let (ids, pseudonyms) = person.columns();
    let mut tx = pool.begin().await?;
    match sqlx::query(AssertSqlSafe(statement)).bind(ids).bind(pseudonyms).execute(&mut *tx).await {
        Ok(touched) => {
            report.add(table, touched.rows_affected());
            run.end(tx).await
        }
        // No right to, or something of theirs refers to it: theirs to do.
        Err(sqlx::Error::Database(refused)) => {
            report.left.push(format!("{table}: {refused}"));
            tx.rollback().await
        }
        Err(error) => Err(error),
    }
}
