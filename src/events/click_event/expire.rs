//! Old clicks, and the sessions that they made. What is left of a customer's clicks makes their sessions anew, so that
//! clicks and sessions always agree: the sessions of the past go along.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::time::Instant;

use super::{ClickEvent, lock, rebuild};
use crate::database::Run;
use crate::events::EventKind as _;
use crate::expire::{Aged, breathe, count_gone};

/// Customers of one transaction.
const CUSTOMERS: i64 = 100;

/// Clicks of nobody are in no session.
const OF_NOBODY: Aged =
    Aged { kind: ClickEvent::NAME, table: "click_events", time: "occurred_at", only: "customer_id IS NULL", along: "" };

pub(super) async fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
    let (mut removed, mut last) = (OF_NOBODY.expire(pool, before, run).await?, String::new());
    loop {
        let next: Vec<String> =
            sqlx::query_scalar(NEXT).bind(before).bind(&last).bind(CUSTOMERS).fetch_all(pool).await?;
        let Some(end) = next.last() else { return Ok(removed) };
        last.clone_from(end);
        let began = Instant::now();
        removed += of_customers(pool, &next, before, run).await?.unsigned_abs();
        breathe(began).await;
    }
}

const NEXT: &str = "
    SELECT customer_id FROM session_customers AS customer
    WHERE customer_id > $2
        AND EXISTS (SELECT FROM click_sessions AS session
                    WHERE session.customer_id = customer.customer_id AND session.started_at < $1)
    ORDER BY customer_id
    LIMIT $3";

async fn of_customers(pool: &PgPool, customers: &[String], before: DateTime<Utc>, run: Run) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?;
    // A single customer may have millions of clicks.
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *tx).await?;
    let held = customers.iter().map(String::as_str).collect();
    lock::hold(&mut tx, &held).await?;
    let delete = sqlx::query("DELETE FROM click_events WHERE customer_id = ANY($1) AND occurred_at < $2");
    let removed = delete.bind(customers).bind(before).execute(&mut *tx).await?.rows_affected();
    let minutes: i32 = sqlx::query_scalar("SELECT gap_minutes FROM session_settings").fetch_one(&mut *tx).await?;
    rebuild::rebuild(&mut tx, customers, minutes).await?;
    lock::let_go(&mut tx, &held).await?;
    let removed = i64::try_from(removed).unwrap_or(i64::MAX);
    count_gone(&mut tx, ClickEvent::NAME, removed).await?;
    run.end(tx).await?;
    Ok(removed)
}
