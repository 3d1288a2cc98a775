//! Purchases and their lines into their tables.

use std::collections::{HashMap, HashSet};

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{HASH_VERSION, Line, Purchase, Row};
use crate::domain::State;
use crate::events::{ContentHash, EventKind as _};
use crate::pipeline::copy::BinaryCopy;

/// Inserts the purchases that are not there yet, then the lines of exactly those.
///
/// Nearly every batch is all new, and `COPY` writes that twice as fast as `INSERT … ON CONFLICT` does. It
/// is tried first, under a savepoint; where a key is taken, the insert that leaves taken keys alone follows.
pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
    if copy_purchases(conn, rows).await? {
        copy_lines(conn, rows.iter().copied()).await?;
        return Ok(rows.iter().map(|row| row.purchase.id).collect());
    }
    let inserted = insert_purchases(conn, rows).await?;
    let new: HashSet<Uuid> = inserted.iter().copied().collect();
    copy_lines(conn, rows.iter().copied().filter(|row| new.contains(&row.purchase.id))).await?;
    Ok(inserted)
}

/// `false`, and nothing done, when one of the keys is taken.
async fn copy_purchases(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<bool> {
    let mut copy = BinaryCopy::new(7);
    for row in rows {
        let Row { purchase: Purchase { id, occurred_at, user_id, lines: _ }, received_at, state, articles: _ } = row;
        copy.row().value(id)?.value(occurred_at)?.value(received_at)?.value(user_id)?;
        copy.value(state.as_ref().map(State::as_str))?;
        copy.value(Purchase::content_hash(row).as_slice())?.value(HASH_VERSION)?;
    }
    let mut savepoint = conn.begin().await?;
    let columns = "id, occurred_at, received_at, user_id, state, content_hash, hash_version";
    match copy.send(&mut savepoint, &format!("COPY purchases ({columns}) FROM STDIN (FORMAT binary)")).await {
        Ok(_) => savepoint.commit().await.map(|()| true),
        Err(error) if is_taken(&error) => savepoint.rollback().await.map(|()| false),
        Err(error) => Err(error),
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn insert_purchases(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
    let (mut ids, mut occurred, mut received) = (Vec::new(), Vec::new(), Vec::new());
    let (mut users, mut states, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let Row { purchase: Purchase { id, occurred_at, user_id, lines: _ }, received_at, state, articles: _ } = row;
        ids.push(*id);
        occurred.push(*occurred_at);
        received.push(*received_at);
        users.push(*user_id);
        states.push(state.as_ref().map(State::as_str));
        hashes.push(Purchase::content_hash(row));
    }
    sqlx::query_scalar(
        "INSERT INTO purchases (id, occurred_at, received_at, user_id, state, content_hash, hash_version)
         SELECT *, $7 FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::text[], $6::bytea[])
         ON CONFLICT (id) DO NOTHING
         RETURNING id",
    )
    .bind(ids)
    .bind(occurred)
    .bind(received)
    .bind(users)
    .bind(states)
    .bind(hashes)
    .bind(HASH_VERSION)
    .fetch_all(conn)
    .await
}

/// No line can be there already: its purchase was inserted by this very transaction.
async fn copy_lines(conn: &mut PgConnection, rows: impl Iterator<Item = &Row>) -> sqlx::Result<()> {
    let mut copy = BinaryCopy::new(7);
    for row in rows {
        for ((number, line), article) in (1_i16..).zip(&row.purchase.lines).zip(&row.articles) {
            let Line { article_id, quantity } = line;
            copy.row().value(row.purchase.id)?.value(number)?.value(article_id)?.value(&article.name)?;
            copy.value(quantity)?.value(article.price)?.value(&article.currency)?;
        }
    }
    let columns = "purchase_id, line, article_id, article_name, quantity, unit_price, currency";
    copy.send(conn, &format!("COPY purchase_items ({columns}) FROM STDIN (FORMAT binary)")).await?;
    Ok(())
}

/// The hashes of stored purchases. One hashed by an older version of the rules is hashed anew from its columns.
pub(super) async fn stored(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, ContentHash>> {
    let rows: Vec<(Uuid, Vec<u8>, i16)> =
        sqlx::query_as("SELECT id, content_hash, hash_version FROM purchases WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(&mut *conn)
            .await?;
    let mut hashes = HashMap::with_capacity(rows.len());
    for (id, hash, version) in rows {
        let hash = match ContentHash::try_from(hash) {
            Ok(hash) if version == HASH_VERSION => hash,
            _ => hash_columns(conn, id).await?,
        };
        hashes.insert(id, hash);
    }
    Ok(hashes)
}

async fn hash_columns(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<ContentHash> {
    let (occurred_at, user_id) = sqlx::query_as("SELECT occurred_at, user_id FROM purchases WHERE id = $1")
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    let lines: Vec<(Uuid, i32)> =
        sqlx::query_as("SELECT article_id, quantity FROM purchase_items WHERE purchase_id = $1 ORDER BY line")
            .bind(id)
            .fetch_all(conn)
            .await?;
    Ok(super::content_hash(id, occurred_at, user_id, lines.into_iter()))
}
