//! Dead letters by cause.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Filter;
use crate::events::KindName;
use crate::pipeline::verdict::{Code, Reason, Table};

/// Dead letters with one cause.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroup)]
pub struct Group {
    /// Equal for the same cause.
    pub fingerprint: String,
    /// Of which kind of event they are.
    #[schema(value_type = KindName)]
    pub kind: String,
    /// The earliest stage that failed.
    #[schema(value_type = Reason)]
    pub reason: String,
    /// What is wrong: the first of `causes`; null where nothing is known but the reason.
    #[schema(required, value_type = Option<Code>)]
    pub code: Option<String>,
    /// Where: the first of `causes`, with `*` for any place of an array.
    #[schema(required)]
    pub path: Option<String>,
    /// Everything that is wrong with each of them.
    pub causes: Vec<Cause>,
    /// How many there are.
    pub count: i64,
    /// The part of all that match, from 0 to 1.
    pub share: f64,
    /// When the first of them was rejected.
    pub first_seen: DateTime<Utc>,
    /// When the last of them was rejected for the first time.
    pub last_seen: DateTime<Utc>,
    /// The newest of them.
    pub sample_id: Uuid,
    /// The rows that most of the newest hundred wait for, three at the most.
    pub waiting_for: Vec<WaitedFor>,
}

/// One thing that is wrong, wherever in an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DeadLetterCause)]
pub struct Cause {
    /// What is wrong.
    #[schema(value_type = Code)]
    pub code: String,
    /// Where: a JSON Pointer with `*` for any place of an array; empty for the event as a whole.
    pub path: String,
}

/// A row that does not exist.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLettersWaitFor)]
pub struct WaitedFor {
    /// In which table.
    #[schema(value_type = Table)]
    pub table: String,
    /// Its id.
    pub id: String,
    /// How many wait for it.
    pub letters: i64,
}

/// Where a page of groups goes on: behind a group of so many with this fingerprint.
pub type After = (i64, String);

impl Group {
    /// The key of this group in the order of groups.
    #[must_use]
    pub fn key(&self) -> After {
        (self.count, self.fingerprint.clone())
    }
}

/// The groups of what matches, most numerous first, ties by fingerprint.
///
/// # Errors
/// When the database cannot be asked.
pub async fn groups(pool: &PgPool, filter: &Filter, after: Option<After>, limit: i64) -> sqlx::Result<Vec<Group>> {
    let mut sql = QueryBuilder::new(
        "WITH cause AS (
             SELECT kind, reason, fingerprint, count(*) AS count,
                    min(failed_at) AS first_seen, max(failed_at) AS last_seen
             FROM dead_letters AS letter WHERE ",
    );
    filter.push(&mut sql);
    sql.push(
        " GROUP BY kind, reason, fingerprint
         ), page AS (
             SELECT * FROM (SELECT *, (count / sum(count) OVER ())::float8 AS share FROM cause) AS cause WHERE true",
    );
    if let Some((count, fingerprint)) = after {
        sql.push(" AND (count < ").push_bind(count).push(" OR count = ").push_bind(count);
        sql.push(" AND fingerprint COLLATE \"C\" > ").push_bind(fingerprint).push(")");
    }
    sql.push(" ORDER BY count DESC, fingerprint COLLATE \"C\" LIMIT ").push_bind(limit);
    sql.push(") SELECT page.*, sample.id AS sample_id, sample.causes, coalesce(waiting.rows, '[]') AS waiting_for FROM page ");
    sql.push("CROSS JOIN LATERAL (SELECT id, causes ");
    push_newest(&mut sql, filter);
    sql.push(" LIMIT 1) AS sample CROSS JOIN LATERAL (");
    push_waiting(&mut sql, filter);
    sql.push(") AS waiting ORDER BY count DESC, fingerprint COLLATE \"C\"");
    let rows: Vec<Row> = sql.build_query_as().persistent(false).fetch_all(pool).await?;
    Ok(rows.into_iter().map(Group::of).collect())
}

/// Those of a group, the newest first: `FROM …`.
fn push_newest(sql: &mut QueryBuilder<sqlx::Postgres>, filter: &Filter) {
    sql.push("FROM dead_letters AS letter WHERE ");
    filter.push(sql);
    sql.push(
        " AND letter.kind = page.kind AND letter.reason = page.reason AND letter.fingerprint = page.fingerprint
          ORDER BY letter.failed_at DESC, letter.id DESC",
    );
}

fn push_waiting(sql: &mut QueryBuilder<sqlx::Postgres>, filter: &Filter) {
    sql.push(
        "SELECT jsonb_agg(jsonb_build_object('table', reference_table, 'id', reference_id, 'letters', letters)
                          ORDER BY letters DESC, reference_table, reference_id) AS rows
         FROM (SELECT reference_table, reference_id, count(*) AS letters
               FROM waiting JOIN (SELECT id ",
    );
    push_newest(sql, filter);
    sql.push(
        " LIMIT 100) AS newest ON newest.id = waiting.dead_letter
          GROUP BY reference_table, reference_id
          ORDER BY letters DESC, reference_table, reference_id LIMIT 3) AS most",
    );
}

/// A group as the database answers it.
#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: String,
    kind: String,
    reason: String,
    causes: Vec<String>,
    count: i64,
    share: f64,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
    sample_id: Uuid,
    #[sqlx(json)]
    waiting_for: Vec<WaitedFor>,
}

impl Group {
    fn of(row: Row) -> Self {
        let Row { fingerprint, kind, reason, causes, count, share, first_seen, last_seen, sample_id, waiting_for } =
            row;
        let causes: Vec<Cause> = causes.iter().map(|cause| Cause::read(cause)).collect();
        let (code, path) = causes.first().cloned().map(|Cause { code, path }| (code, path)).unzip();
        Group {
            fingerprint,
            kind,
            reason,
            code,
            path,
            causes,
            count,
            share,
            first_seen,
            last_seen,
            sample_id,
            waiting_for,
        }
    }
}

impl Cause {
    /// Reads `code path`, as the index has it.
    pub(super) fn read(text: &str) -> Self {
        let (code, path) = text.split_once(' ').unwrap_or((text, ""));
        Cause { code: code.to_owned(), path: path.to_owned() }
    }
}
