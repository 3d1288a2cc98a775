//! Dead letters one by one, as the index has them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::groups::Cause;
use super::{Filter, Status};
use crate::events::KindName;
use crate::pipeline::verdict::{Class, Reason, Table};

/// What the index says of a dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterEntry)]
pub struct Entry {
    /// Made from the event's id and its payload.
    pub id: Uuid,
    /// Of which kind of event it is.
    #[schema(value_type = KindName)]
    pub kind: String,
    /// The earliest stage that failed, in the newest attempt.
    #[schema(value_type = Reason)]
    pub reason: String,
    /// Whether it can become acceptable without being changed.
    #[schema(value_type = Class)]
    pub class: String,
    /// Equal for the same cause.
    pub fingerprint: String,
    /// Everything that is wrong.
    pub causes: Vec<Cause>,
    /// The event's own id, where it could be read.
    #[schema(required)]
    pub event_key: Option<String>,
    /// The delivery that brought it.
    pub delivery_id: String,
    /// Place of the event in its message, from 0.
    pub position: i32,
    /// When the message came in.
    pub received_at: DateTime<Utc>,
    /// When it was first rejected.
    pub failed_at: DateTime<Utc>,
    /// How often it was rejected.
    pub attempt: i32,
    /// What has become of it.
    #[schema(value_type = Status)]
    pub status: String,
    /// Since when; null while nothing has.
    #[schema(required)]
    pub status_at: Option<DateTime<Utc>>,
    /// What whoever discarded it said.
    #[schema(required)]
    pub because: Option<String>,
    /// The rows that it waits for, twenty at the most.
    pub waiting_for: Vec<Waiting>,
    /// The object that holds its record; null while that is in the database.
    #[schema(required)]
    pub object: Option<String>,
    /// The line of the object, from 1.
    #[schema(required)]
    pub line: Option<i32>,
}

/// A row that does not exist.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetterWaitsFor)]
pub struct Waiting {
    /// In which table.
    #[schema(value_type = Table)]
    pub table: String,
    /// Its id.
    pub id: String,
}

/// Where a page goes on: behind this one.
pub type After = (DateTime<Utc>, Uuid);

impl Entry {
    /// Its key in the order of a list.
    #[must_use]
    pub fn key(&self) -> After {
        (self.failed_at, self.id)
    }
}

/// Those that match, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn records(pool: &PgPool, filter: &Filter, after: Option<After>, limit: i64) -> sqlx::Result<Vec<Entry>> {
    let mut sql = select();
    filter.push(&mut sql);
    if let Some((failed_at, id)) = after {
        sql.push(" AND (letter.failed_at, letter.id) < (").push_bind(failed_at).push(", ").push_bind(id).push(")");
    }
    sql.push(" ORDER BY letter.failed_at DESC, letter.id DESC LIMIT ").push_bind(limit);
    let rows: Vec<Row> = sql.build_query_as().persistent(false).fetch_all(pool).await?;
    Ok(rows.into_iter().map(Entry::of).collect())
}

/// One of them, if there is such a one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn entry(pool: &PgPool, id: Uuid) -> sqlx::Result<Option<Entry>> {
    let mut sql = select();
    sql.push("letter.id = ").push_bind(id);
    let row: Option<Row> = sql.build_query_as().fetch_optional(pool).await?;
    Ok(row.map(Entry::of))
}

/// How many match.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count(pool: &PgPool, filter: &Filter) -> sqlx::Result<i64> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM dead_letters AS letter WHERE ");
    filter.push(&mut sql);
    sql.build_query_scalar().persistent(false).fetch_one(pool).await
}

fn select() -> QueryBuilder<Postgres> {
    QueryBuilder::new(
        "SELECT letter.id, letter.kind, letter.reason, letter.class, letter.fingerprint, letter.causes,
                letter.event_key, letter.delivery_id, letter.position, letter.received_at, letter.failed_at,
                letter.attempt, letter.status, letter.status_at, letter.because, segment.object, letter.line,
                coalesce(waiting.rows, '[]') AS waiting_for
         FROM dead_letters AS letter
         LEFT JOIN dead_letter_segments AS segment ON segment.id = letter.segment AND segment.shipped_at IS NOT NULL
         CROSS JOIN LATERAL (
             SELECT jsonb_agg(jsonb_build_object('table', reference_table, 'id', reference_id)) AS rows
             FROM (SELECT reference_table, reference_id FROM waiting WHERE waiting.dead_letter = letter.id
                   ORDER BY reference_table, reference_id LIMIT 20) AS first
         ) AS waiting
         WHERE ",
    )
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    reason: String,
    class: String,
    fingerprint: String,
    causes: Vec<String>,
    event_key: Option<String>,
    delivery_id: String,
    position: i32,
    received_at: DateTime<Utc>,
    failed_at: DateTime<Utc>,
    attempt: i32,
    status: String,
    status_at: Option<DateTime<Utc>>,
    because: Option<String>,
    object: Option<String>,
    line: Option<i32>,
    #[sqlx(json)]
    waiting_for: Vec<Waiting>,
}

impl Entry {
    fn of(row: Row) -> Self {
        let Row { id, kind, reason, class, fingerprint, causes, event_key, delivery_id, position, .. } = row;
        let Row { received_at, failed_at, attempt, status, status_at, because, object, line, waiting_for, .. } = row;
        let causes = causes.iter().map(|cause| Cause::read(cause)).collect();
        let line = line.filter(|_| object.is_some());
        Entry {
            id,
            kind,
            reason,
            class,
            fingerprint,
            causes,
            event_key,
            delivery_id,
            position,
            received_at,
            failed_at,
            attempt,
            status,
            status_at,
            because,
            waiting_for,
            object,
            line,
        }
    }
}
