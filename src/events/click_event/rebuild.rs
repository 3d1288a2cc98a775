//! Another gap between sessions: the setting, and everybody's sessions after it.
//!
//! The sessions of a customer are by one gap at any time, and that gap stands with the customer. What is still to
//! be rebuilt is thus a state: everybody whose gap is not that of the setting. Any worker goes on with it, several
//! may at once, and clicks that come meanwhile are added by the gap of the sessions that they find.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sqlx::{FromRow, PgConnection, PgPool};

use super::sessions::{Session, Visit, append};
use super::{ORDER, lock, stored};
use crate::events::Premises;

/// How often it is looked whether there is something to rebuild.
const PAUSE: Duration = Duration::from_secs(2);
/// The most customers of a transaction.
const CUSTOMERS: i64 = 1000;
/// The most events of a transaction, unless a single customer has more.
const EVENTS: i64 = 100_000;

/// Sets the gap to the configured one, and rebuilds the sessions that are by another, whoever set it.
pub(super) fn keep(premises: Premises) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let (mut is_set, mut fails) = (false, false);
        while !premises.shutdown.soft().is_cancelled() {
            let worked = work(&premises, &mut is_set).await;
            if let (Err(error), false) = (&worked, fails) {
                tracing::warn!(%error, "sessions cannot be rebuilt at the moment");
            }
            fails = worked.is_err();
            premises.shutdown.soft().run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
        Ok(())
    })
}

async fn work(Premises { pool, config, shutdown }: &Premises, is_set: &mut bool) -> sqlx::Result<()> {
    if !*is_set {
        set_gap(pool, config.session_gap_minutes).await?;
        *is_set = true;
    }
    let is_rebuilt = "SELECT rebuilt_at IS NOT NULL FROM session_settings";
    if sqlx::query_scalar(is_rebuilt).fetch_one(pool).await? {
        return Ok(());
    }
    let mut last = String::new();
    while let Some(next) = rebuild_some(pool, &last).await? {
        if shutdown.soft().is_cancelled() {
            return Ok(());
        }
        last = next;
    }
    finish(pool).await
}

async fn set_gap(pool: &PgPool, minutes: u32) -> sqlx::Result<()> {
    let minutes = i64::from(minutes);
    let is_same = sqlx::query_scalar("SELECT gap_minutes = $1 FROM session_settings");
    if is_same.bind(minutes).fetch_one(pool).await? {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    // Once it is alone with the gap, every customer whom a batch made by the former one can be seen.
    lock::own_gap(&mut tx).await?;
    let set =
        "UPDATE session_settings SET gap_minutes = $1, changed_at = now(), rebuilt_at = NULL WHERE gap_minutes <> $1";
    sqlx::query(set).bind(minutes).execute(&mut *tx).await?;
    tx.commit().await?;
    tracing::info!(minutes, "the gap between sessions has changed: rebuilding them");
    Ok(())
}

/// Notes that nobody's sessions are by another gap, if that is so: another worker may be busy with some.
async fn finish(pool: &PgPool) -> sqlx::Result<()> {
    let finish = sqlx::query(
        "UPDATE session_settings AS setting SET rebuilt_at = now()
         WHERE rebuilt_at IS NULL
             AND NOT EXISTS (SELECT FROM session_customers AS customer WHERE customer.gap_minutes <> setting.gap_minutes)",
    );
    if finish.execute(pool).await?.rows_affected() > 0 {
        tracing::info!("all sessions are by the new gap");
    }
    Ok(())
}

/// Rebuilds the sessions of some customers behind `last`, and returns the last of these; `None` when there is none.
async fn rebuild_some(pool: &PgPool, last: &str) -> sqlx::Result<Option<String>> {
    let mut tx = pool.begin().await?;
    // A single customer may have millions of events.
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
    lock::share_gap(&mut tx).await?;
    let minutes: i32 = sqlx::query_scalar("SELECT gap_minutes FROM session_settings").fetch_one(&mut *tx).await?;
    let next = sqlx::query_scalar(NEXT).bind(minutes).bind(last).bind(CUSTOMERS).bind(EVENTS);
    let next: Vec<String> = next.fetch_all(&mut *tx).await?;
    let held = sqlx::query_scalar(HOLD).bind(&next).bind(minutes);
    let held: Vec<String> = held.fetch_all(&mut *tx).await?;
    if !held.is_empty() {
        rebuild(&mut tx, &held, minutes).await?;
    }
    tx.commit().await?;
    Ok(next.into_iter().next_back())
}

/// As many as have so many events together, but one at least.
const NEXT: &str = "
    SELECT customer_id
    FROM (SELECT customer_id, sum(events) OVER (ORDER BY customer_id) - events AS events_before
          FROM (SELECT customer_id, (SELECT coalesce(sum(events), 0) FROM click_sessions AS session
                                     WHERE session.customer_id = customer.customer_id) AS events
                FROM session_customers AS customer
                WHERE gap_minutes <> $1 AND customer_id > $2
                ORDER BY customer_id
                LIMIT $3) AS customers) AS customers
    WHERE events_before < $4
    ORDER BY customer_id";

/// Those that nobody else is writing to.
const HOLD: &str = "
    SELECT customer_id FROM session_customers
    WHERE customer_id = ANY($1) AND gap_minutes <> $2
    ORDER BY customer_id
    FOR UPDATE SKIP LOCKED";

/// Makes the sessions of these customers anew, by this gap. The transaction holds them.
pub(super) async fn rebuild(conn: &mut PgConnection, customers: &[String], minutes: i32) -> sqlx::Result<()> {
    let sessions = from_scratch(conn, customers, TimeDelta::minutes(minutes.into())).await?;
    let delete = sqlx::query("DELETE FROM click_sessions WHERE customer_id = ANY($1)");
    delete.bind(customers).execute(&mut *conn).await?;
    stored::insert(conn, &sessions).await?;
    let update = sqlx::query("UPDATE session_customers SET gap_minutes = $2 WHERE customer_id = ANY($1)");
    update.bind(customers).bind(minutes).execute(conn).await?;
    Ok(())
}

#[derive(FromRow)]
struct StoredClick {
    customer_id: String,
    id: String,
    occurred_at: DateTime<Utc>,
    is_order: bool,
    page: Option<String>,
    referrer: Option<String>,
}

/// The sessions of some customers, out of all of their clicks.
async fn from_scratch(
    conn: &mut PgConnection,
    customers: &[String],
    gap: TimeDelta,
) -> sqlx::Result<Vec<(String, Session)>> {
    let mut sessions: Vec<(String, Vec<Session>)> = Vec::new();
    let mut clicks = sqlx::query_as::<_, StoredClick>(CLICKS).bind(customers).bind(ORDER).fetch(conn);
    while let Some(StoredClick { customer_id, id, occurred_at, is_order, page, referrer }) = clicks.try_next().await? {
        if sessions.last().is_none_or(|(last, _)| *last != customer_id) {
            sessions.push((customer_id, Vec::new()));
        }
        let visit = Visit { id: &id, occurred_at, is_order, page: page.as_deref(), referrer: referrer.as_deref() };
        if let Some((_, sessions)) = sessions.last_mut() {
            append(gap, sessions, visit.into());
        }
    }
    let of = |(customer, sessions): (String, Vec<Session>)| {
        sessions.into_iter().map(move |session| (customer.clone(), session))
    };
    Ok(sessions.into_iter().flat_map(of).collect())
}

const CLICKS: &str = "
    SELECT customer_id, id, occurred_at, type = $2 AS is_order, event->>'page' AS page, event->>'referrer' AS referrer
    FROM click_events
    WHERE customer_id = ANY($1)
    ORDER BY customer_id, occurred_at";
