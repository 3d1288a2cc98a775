//! Sessions as rows of `click_sessions`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};

use super::sessions::{First, Referrer, Session};
use crate::pipeline::copy::BinaryCopy;

/// A row of `click_sessions`.
#[derive(FromRow, Deserialize)]
pub(super) struct StoredSession {
    customer_id: String,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    events: i32,
    orders: i32,
    first_order_at: Option<DateTime<Utc>>,
    first_page: Option<String>,
    first_page_at: Option<DateTime<Utc>>,
    first_page_event: Option<String>,
    referrer: Option<String>,
    referrer_host: Option<String>,
    referrer_at: Option<DateTime<Utc>>,
    referrer_event: Option<String>,
}

impl StoredSession {
    /// The customer, and the session.
    pub(super) fn into_session(self) -> (String, Session) {
        let referrer = self.referrer.zip(self.referrer_host).map(|(url, host)| Referrer { url, host });
        let session = Session {
            started_at: self.started_at,
            ended_at: self.ended_at,
            events: self.events,
            orders: self.orders,
            first_order_at: self.first_order_at,
            first_page: first(self.first_page_at, self.first_page_event, self.first_page),
            referrer: first(self.referrer_at, self.referrer_event, referrer),
        };
        (self.customer_id, session)
    }
}

fn first<T>(at: Option<DateTime<Utc>>, event: Option<String>, value: Option<T>) -> Option<First<T>> {
    Some(First { at: at?, event: event?, value: value? })
}

/// Around which sessions to look for others.
#[derive(Default)]
pub(super) struct Spans<'c> {
    customers: Vec<&'c str>,
    near_from: Vec<DateTime<Utc>>,
    starts: Vec<DateTime<Utc>>,
    near_to: Vec<DateTime<Utc>>,
}

impl<'c> Spans<'c> {
    pub(super) fn push(&mut self, customer: &'c str, session: &Session, gap: TimeDelta) {
        self.customers.push(customer);
        self.near_from.push(session.started_at - gap);
        self.starts.push(session.started_at);
        self.near_to.push(session.ended_at + gap);
    }
}

/// The stored sessions that begin or end no further than the gap from one of the spans, each with its customer.
/// One that is near to several comes several times.
pub(super) async fn near(conn: &mut PgConnection, spans: Spans<'_>) -> sqlx::Result<Vec<(String, Session)>> {
    let Spans { customers, near_from, starts, near_to } = spans;
    let near = sqlx::query_as(NEAR).bind(customers).bind(near_from).bind(starts).bind(near_to);
    let stored: Vec<StoredSession> = near.fetch_all(conn).await?;
    Ok(stored.into_iter().map(StoredSession::into_session).collect())
}

/// Sessions of one customer do not overlap, so that of those that begin before a piece only the last can reach it.
const NEAR: &str = "
    SELECT session.*
    FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
         AS piece (customer_id, near_from, started_at, near_to)
    CROSS JOIN LATERAL (
        SELECT *
        FROM (SELECT * FROM click_sessions AS before
              WHERE before.customer_id = piece.customer_id AND before.started_at <= piece.started_at
              ORDER BY before.started_at DESC
              LIMIT 1) AS last_before
        WHERE last_before.ended_at >= piece.near_from
        UNION ALL
        SELECT * FROM click_sessions AS after
        WHERE after.customer_id = piece.customer_id
            AND after.started_at > piece.started_at AND after.started_at <= piece.near_to
    ) AS session";

/// Removes the sessions of these customers with these starts.
pub(super) async fn delete(conn: &mut PgConnection, gone: &[(&str, DateTime<Utc>)]) -> sqlx::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let (customers, starts): (Vec<_>, Vec<_>) = gone.iter().copied().unzip();
    let delete = sqlx::query(
        "DELETE FROM click_sessions AS session
         USING UNNEST($1::text[], $2::timestamptz[]) AS gone (customer_id, started_at)
         WHERE session.customer_id = gone.customer_id AND session.started_at = gone.started_at",
    );
    // Planned anew each time: the table grows, and a plan for a small one would read all of it.
    delete.persistent(false).bind(customers).bind(starts).execute(conn).await?;
    Ok(())
}

/// Overwrites the sessions of the same customers with the same starts.
pub(super) async fn update(conn: &mut PgConnection, changed: &[(&str, Session)]) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(STAGE).execute(&mut *conn).await?;
    copy(conn, "changed_sessions", changed).await?;
    sqlx::query(UPDATE).execute(conn).await?;
    Ok(())
}

/// Adds sessions whose starts are new.
pub(super) async fn insert(conn: &mut PgConnection, new: &[(impl AsRef<str>, Session)]) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    copy(conn, "click_sessions", new).await
}

const STAGE: &str = "
    CREATE TEMPORARY TABLE IF NOT EXISTS changed_sessions ON COMMIT DELETE ROWS
    AS SELECT * FROM click_sessions WITH NO DATA";

/// Every one of them is there. As an upsert it goes by the key, whatever the planner thinks of the table's size.
const UPDATE: &str = "
    INSERT INTO click_sessions SELECT * FROM changed_sessions
    ON CONFLICT (customer_id, started_at) DO UPDATE SET
        ended_at = EXCLUDED.ended_at, events = EXCLUDED.events,
        orders = EXCLUDED.orders, first_order_at = EXCLUDED.first_order_at,
        first_page = EXCLUDED.first_page, first_page_at = EXCLUDED.first_page_at,
        first_page_event = EXCLUDED.first_page_event,
        referrer = EXCLUDED.referrer, referrer_host = EXCLUDED.referrer_host, referrer_at = EXCLUDED.referrer_at,
        referrer_event = EXCLUDED.referrer_event";

const COLUMNS: &str = "customer_id, started_at, ended_at, events, orders, first_order_at, first_page, first_page_at, \
                       first_page_event, referrer, referrer_host, referrer_at, referrer_event";

async fn copy(conn: &mut PgConnection, table: &str, sessions: &[(impl AsRef<str>, Session)]) -> sqlx::Result<()> {
    let mut copy = BinaryCopy::new(13);
    for (customer_id, session) in sessions {
        let Session { started_at, ended_at, events, orders, first_order_at, first_page, referrer } = session;
        copy.row().value(customer_id.as_ref())?.value(started_at)?.value(ended_at)?.value(events)?.value(orders)?;
        copy.value(first_order_at)?.value(first_page.as_ref().map(|page| page.value.as_str()))?;
        copy.value(first_page.as_ref().map(|page| page.at))?;
        copy.value(first_page.as_ref().map(|page| page.event.as_str()))?;
        copy.value(referrer.as_ref().map(|referrer| referrer.value.url.as_str()))?;
        copy.value(referrer.as_ref().map(|referrer| referrer.value.host.as_str()))?;
        copy.value(referrer.as_ref().map(|referrer| referrer.at))?;
        copy.value(referrer.as_ref().map(|referrer| referrer.event.as_str()))?;
    }
    copy.send(conn, &format!("COPY {table} ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
    Ok(())
}
