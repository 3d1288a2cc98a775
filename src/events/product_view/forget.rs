//! Views without who viewed.

use sqlx::PgPool;

use crate::database::{Run, in_pages};
use crate::domain::Person;

pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
    let (ids, pseudonyms) = person.columns();
    in_pages(pool, "product_views", run, UPDATE, |part| part.bind(ids.clone()).bind(pseudonyms.clone())).await
}

/// The visit and the event have ids elsewhere, which lead back.
const UPDATE: &str = "
    UPDATE product_views SET mpid = person.pseudonym, session_id = NULL, event_id = NULL, forgotten = true
    FROM UNNEST($3::text[], $4::uuid[]) AS person (id, pseudonym)
    WHERE product_views.ctid >= $1::text::tid AND product_views.ctid < $2::text::tid AND mpid = person.id";
