//! Dead letters that something is about to be decided about.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::rollup::Counted;
use super::status::Status;
use crate::pipeline::verdict::Class;

/// An open dead letter, which is nobody else's until the transaction ends.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::pipeline) struct Open {
    pub(super) id: Uuid,
    pub(super) kind: String,
    reason: String,
    class: String,
    codes: Vec<String>,
    pub(super) failed_at: DateTime<Utc>,
    /// How often it has been judged so far.
    pub(in crate::pipeline) attempt: i32,
}

impl Open {
    pub(super) fn counted(&self) -> Counted<'_> {
        Counted {
            kind: &self.kind,
            reason: &self.reason,
            codes: self.codes.iter().map(String::as_str).collect(),
            failed_at: self.failed_at,
            waits: self.class == Class::WhenReferenceAppears.as_str(),
        }
    }
}

/// Those of the dead letters that are open. They are locked in the order of their ids.
pub(in crate::pipeline) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, Open>> {
    let open: Vec<Open> = sqlx::query_as(
        "SELECT id, kind, reason, class, codes, failed_at, attempt FROM dead_letters
         WHERE id = ANY($1) AND status = 'open' ORDER BY id FOR UPDATE",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(open.into_iter().map(|letter| (letter.id, letter)).collect())
}

/// Those that are closed, and not as `status`, in the same way.
pub(super) async fn lock_closed(conn: &mut PgConnection, ids: &[Uuid], status: Status) -> sqlx::Result<Vec<Open>> {
    let closed = sqlx::query_as(
        "SELECT id, kind, reason, class, codes, failed_at, attempt FROM dead_letters
         WHERE id = ANY($1) AND status NOT IN ('open', $2) ORDER BY id FOR UPDATE",
    );
    closed.bind(ids).bind(status.as_str()).fetch_all(conn).await
}
