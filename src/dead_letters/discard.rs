//! Dead letters that nobody wants: they are kept, and marked.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, QueryBuilder};
use uuid::Uuid;

use super::{Filter, Interrupted, Status, close};
use crate::shutdown::{Shutdown, Stopped};

/// How many are marked in one transaction.
const LETTERS: i64 = 1000;

/// How many were discarded, by fingerprint.
pub type Discarded = BTreeMap<String, u64>;

#[derive(sqlx::FromRow)]
struct Candidate {
    id: Uuid,
    fingerprint: String,
    received_at: DateTime<Utc>,
}

/// Discards the open ones that match and came in by now, and tells `progress` how many that are so far. Ended
/// early, and begun again with the same filter, it goes on.
///
/// # Errors
/// When it was told to stop, or the database is away.
pub async fn discard(
    pool: &PgPool,
    filter: &Filter,
    because: &str,
    shutdown: &Shutdown,
    mut progress: impl FnMut(&Discarded),
) -> Result<Discarded, Interrupted> {
    let (mut discarded, mut after, until) = (Discarded::new(), None, Utc::now());
    loop {
        if shutdown.soft().is_cancelled() {
            return Err(Stopped.into());
        }
        let page = page(pool, filter, after, until).await?;
        let Some(last) = page.last() else { return Ok(discarded) };
        after = Some((last.received_at, last.id));
        let ids: Vec<Uuid> = page.iter().map(|letter| letter.id).collect();
        let mut tx = pool.begin().await?;
        let closed = close(&mut tx, &ids, Status::Discarded, Some(because)).await?;
        tx.commit().await?;
        for letter in page.into_iter().filter(|letter| closed.contains(&letter.id)) {
            *discarded.entry(letter.fingerprint).or_default() += 1;
        }
        progress(&discarded);
    }
}

async fn page(
    pool: &PgPool,
    filter: &Filter,
    after: Option<(DateTime<Utc>, Uuid)>,
    until: DateTime<Utc>,
) -> sqlx::Result<Vec<Candidate>> {
    let mut sql = QueryBuilder::new(
        "SELECT letter.id, letter.fingerprint, letter.received_at FROM dead_letters AS letter
         WHERE letter.status = 'open' AND letter.received_at <= ",
    );
    sql.push_bind(until).push(" AND ");
    filter.push(&mut sql);
    if let Some((received_at, id)) = after {
        sql.push(" AND (letter.received_at, letter.id) > (").push_bind(received_at).push(", ").push_bind(id).push(")");
    }
    sql.push(" ORDER BY letter.received_at, letter.id LIMIT ").push_bind(LETTERS);
    sql.build_query_as().persistent(false).fetch_all(pool).await
}
