//! Purchases and their lines into their tables.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::{HASH_VERSION, Line, Purchase, Row};
use crate::domain::State;
use crate::events::table::{Inserted, Stored, Target};
use crate::events::{ContentHash, EventKind as _};
use crate::pipeline::copy::BinaryCopy;

const PURCHASES: Target = Target {
    table: "purchases",
    columns: "id, occurred_at, received_at, user_id, state, content_hash, hash_version",
    key: "id",
};

/// Inserts the purchases that are not there yet, then the lines of exactly those.
pub(super) async fn insert(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<Vec<Uuid>> {
    let mut copy = BinaryCopy::new(7);
    for row in rows {
        let Row { purchase: Purchase { id, occurred_at, user_id, lines: _ }, received_at, state, articles: _ } = row;
        copy.row().value(id)?.value(occurred_at)?.value(received_at)?.value(user_id)?;
        copy.value(state.as_ref().map(State::as_str))?;
        copy.value(Purchase::content_hash(row).as_slice())?.value(HASH_VERSION)?;
    }
    match PURCHASES.insert_new(conn, &copy).await? {
        Inserted::All => {
            copy_lines(conn, rows.iter().copied()).await?;
            Ok(rows.iter().map(|row| row.purchase.id).collect())
        }
        Inserted::Only(ids) => {
            let new: HashSet<Uuid> = ids.iter().copied().collect();
            copy_lines(conn, rows.iter().copied().filter(|row| new.contains(&row.purchase.id))).await?;
            Ok(ids)
        }
    }
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
    let Stored { mut hashes, outdated } = PURCHASES.stored(&mut *conn, ids, HASH_VERSION).await?;
    for id in outdated {
        hashes.insert(id, hash_columns(conn, id).await?);
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
