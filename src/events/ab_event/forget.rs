//! A/B test events without whose they are. A user is renamed with everything that is counted of them, so that counts
//! stay. A batch that had read of the user before may store events under the old name yet, which it does not count: they
//! are counted once it has ended, and renamed the next time.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::counts::Deltas;
use super::late;
use super::users::{self, Pairs, Sightings};
use crate::database::{Run, ended_before, find_in_pages};
use crate::domain::Person;
use crate::pipeline::shard;

pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
    let mut touched = 0;
    for (user, pseudonym) in &person.ids {
        touched += forget_user(pool, user, *pseudonym, run).await?;
    }
    Ok(touched)
}

/// The events are looked for before the transaction, which then takes no longer than renaming them does.
async fn forget_user(pool: &PgPool, user: &str, pseudonym: Uuid, run: Run) -> sqlx::Result<u64> {
    let events: Vec<(Uuid,)> = find_in_pages(pool, "ab_events", EVENTS, |part| part.bind(user.to_owned())).await?;
    let events: Vec<Uuid> = events.into_iter().map(|(id,)| id).collect();
    let mut tx = pool.begin().await?;
    // Nobody moves the user to another country meanwhile.
    late::hold_off(&mut tx).await?;
    let new = pseudonym.to_string();
    let renamed = rename(&mut tx, user.to_owned(), new.clone()).await?;
    let update = "UPDATE ab_events SET user_id = $3, content_hash = '' WHERE id = ANY($1) AND user_id = $2";
    let events = sqlx::query(update).bind(events).bind(user).bind(&new).execute(&mut *tx).await?.rows_affected();
    run.end(tx).await?;
    if run == Run::Real && renamed > 0 {
        ended_before(pool).await?;
        count(pool, user).await?;
    }
    Ok(renamed + events)
}

/// Counts the events under this name that are not counted yet, as a batch that stores them does.
async fn count(pool: &PgPool, user: &str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
    late::hold_off(&mut tx).await?;
    let pairs = "SELECT DISTINCT version, coalesce(country, 'unknown') FROM ab_events WHERE user_id = $1";
    let pairs: Vec<(String, String)> = sqlx::query_as(pairs).bind(user).fetch_all(&mut *tx).await?;
    if !pairs.is_empty() {
        let (mut deltas, shard) = (Deltas::default(), shard::free(&mut tx).await?);
        users::see(&mut tx, [(user.to_owned(), pairs.into_iter().collect())].into(), &mut deltas).await?;
        deltas.add(&mut tx, shard).await?;
    }
    tx.commit().await
}

const EVENTS: &str = "
    SELECT id FROM ab_events WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND user_id = $3";

/// Has one user take the place of another, in `ab_users` and in the sums, and says how many there were.
async fn rename(conn: &mut PgConnection, old: String, new: String) -> sqlx::Result<u64> {
    let mut locked = users::lock(conn, [&old, &new].into_iter()).await?;
    let Some(of_old) = locked.remove(&old) else { return Ok(0) };
    let of_new = locked.remove(&new);
    let both: Pairs = of_new.iter().flatten().chain(&of_old).cloned().collect();
    let mut deltas = Deltas::default();
    deltas.user(&of_old, &Pairs::new());
    deltas.user(&of_new.clone().unwrap_or_default(), &both);
    sqlx::query("DELETE FROM ab_users WHERE user_id = $1").bind(old).execute(&mut *conn).await?;
    let after = Sightings::from([(new, both)]);
    match of_new {
        Some(_) => users::update(conn, &after).await?,
        None => drop(users::insert(conn, &after).await?),
    }
    let shard = shard::free(conn).await?;
    deltas.add(conn, shard).await?;
    Ok(1)
}
