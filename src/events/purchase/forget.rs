//! Purchases without who made them.

use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Run, in_pages};
use crate::domain::Person;

/// The state stays: it is half a country, and what sums are by.
pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
    let ids = person.ids.iter().filter_map(|(id, pseudonym)| Some((Uuid::parse_str(id).ok()?, *pseudonym)));
    let (ids, pseudonyms): (Vec<Uuid>, Vec<Uuid>) = ids.unzip();
    if ids.is_empty() {
        return Ok(0);
    }
    in_pages(pool, "purchases", run, UPDATE, |part| part.bind(ids.clone()).bind(pseudonyms.clone())).await
}

const UPDATE: &str = "
    UPDATE purchases SET user_id = person.pseudonym, content_hash = ''
    FROM UNNEST($3::uuid[], $4::uuid[]) AS person (id, pseudonym)
    WHERE purchases.ctid >= $1::text::tid AND purchases.ctid < $2::text::tid AND user_id = person.id";
