//! Dead letters that name a person. First their index says that they are forgotten, so that nobody tries them again;
//! then their records are blanked, and their payloads removed.

use std::collections::BTreeSet;

use sqlx::PgPool;
use uuid::Uuid;

use super::Report;
use super::objects::{self, Seen, ToForget};
use crate::database::Run;
use crate::dead_letters::{self, Shipper, Status};
use crate::domain::Person;
use crate::hex::hex;
use sha2::{Digest as _, Sha256};

/// Dead letters of one transaction.
const LETTERS: usize = 500;

pub(super) async fn forget(
    shipper: &Shipper,
    person: &Person,
    run: Run,
    seen: &mut Seen,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Shipper { pool, blob, .. } = shipper;
    let ToForget { letters, objects } = objects::look(blob, person, seen).await?;
    report.add("dead letters", letters.len() as u64);
    report.add("objects of dead letters", objects.len() as u64);
    if run == Run::Dry {
        report.add("dead letters", waiting(pool, person).await?);
        return Ok(());
    }
    let all: Vec<Uuid> = letters.iter().copied().collect();
    for some in all.chunks(LETTERS) {
        close(pool, person, some).await?;
    }
    for object in &objects {
        objects::rewrite(pool, blob, object, person, &letters).await?;
    }
    report.add("payloads of dead letters", objects::remove_payloads(blob, &letters).await?);
    report.add("words about dead letters", words(pool, person).await?);
    Ok(())
}

/// What is on its way to the blob store.
#[derive(sqlx::FromRow)]
struct Entry {
    entry: Uuid,
    letter: Uuid,
    record: Vec<u8>,
    payload: Option<Vec<u8>>,
}

/// Those that are on their way to the blob store, where nothing is shipped first.
async fn waiting(pool: &PgPool, person: &Person) -> sqlx::Result<u64> {
    let mut named: BTreeSet<Uuid> = BTreeSet::new();
    let mut last = Uuid::nil();
    loop {
        let page = "SELECT entry, letter, record, payload FROM dead_letter_outbox
                    WHERE entry > $1 ORDER BY entry LIMIT 200";
        let page: Vec<Entry> = sqlx::query_as(page).bind(last).fetch_all(pool).await?;
        let Some(end) = page.last() else { return Ok(named.len() as u64) };
        last = end.entry;
        let names = |bytes: &[u8]| person.is_named_in(bytes);
        let these = page.iter().filter(|entry| names(&entry.record) || entry.payload.as_deref().is_some_and(names));
        named.extend(these.map(|entry| entry.letter));
    }
}

async fn close(pool: &PgPool, person: &Person, letters: &[Uuid]) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    dead_letters::end(&mut tx, letters, Status::Forgotten).await?;
    let index = "SELECT id, event_key, delivery_id FROM dead_letters WHERE id = ANY($1)";
    let index: Vec<(Uuid, Option<String>, String)> = sqlx::query_as(index).bind(letters).fetch_all(&mut *tx).await?;
    for (id, key, delivery) in index {
        let key = key.filter(|key| !person.is(key));
        let delivery = if person.is_named_in(delivery.as_bytes()) { hex(&Sha256::digest(delivery)) } else { delivery };
        let update = "UPDATE dead_letters SET event_key = $2, delivery_id = $3 WHERE id = $1";
        sqlx::query(update).bind(id).bind(key).bind(delivery).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// What somebody wrote who closed dead letters.
async fn words(pool: &PgPool, person: &Person) -> sqlx::Result<u64> {
    let all: Vec<String> = sqlx::query_scalar("SELECT DISTINCT because FROM dead_letters WHERE because IS NOT NULL")
        .fetch_all(pool)
        .await?;
    let naming: Vec<String> = all.into_iter().filter(|because| person.is_named_in(because.as_bytes())).collect();
    let update = "UPDATE dead_letters SET because = NULL WHERE because = ANY($1)";
    Ok(sqlx::query(update).bind(naming).execute(pool).await?.rows_affected())
}
