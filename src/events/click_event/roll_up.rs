//! New clicks into the sessions of their customers.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Row;
use super::changes::Changes;
use super::sessions::{Session, Visit, sessionize};
use super::stored;

/// A customer with new clicks.
struct Touched {
    gap: TimeDelta,
    /// The sessions that the new clicks make by themselves.
    pieces: Vec<Session>,
    /// The stored sessions near to them, by their start.
    near: BTreeMap<DateTime<Utc>, Session>,
}

/// Adds clicks to the sessions of their customers, whom the transaction holds. What is near to a click is read,
/// and what changes is written; the rest of a customer's sessions is not looked at, however many there are.
pub(super) async fn roll_up(conn: &mut PgConnection, rows: &[&Row]) -> sqlx::Result<()> {
    let mut clicks: BTreeMap<&str, Vec<Session>> = BTreeMap::new();
    for click in rows.iter().map(|row| &row.click) {
        if let Some(customer) = &click.customer_id {
            clicks.entry(customer).or_default().push(Visit::from(click).into());
        }
    }
    if clicks.is_empty() {
        return Ok(());
    }
    let mut touched = touched(conn, clicks).await?;
    read_near(conn, &mut touched).await?;
    write(conn, touched).await
}

/// Each customer's clicks, put together by the gap of its stored sessions.
async fn touched<'r>(
    conn: &mut PgConnection,
    clicks: BTreeMap<&'r str, Vec<Session>>,
) -> sqlx::Result<BTreeMap<&'r str, Touched>> {
    let customers: Vec<&str> = clicks.keys().copied().collect();
    let gaps: Vec<(String, i32)> =
        sqlx::query_as("SELECT customer_id, gap_minutes FROM session_customers WHERE customer_id = ANY($1)")
            .bind(customers)
            .fetch_all(conn)
            .await?;
    let gaps: HashMap<String, i32> = gaps.into_iter().collect();
    let touched = clicks.into_iter().map(|(customer, mut clicks)| {
        let minutes = gaps.get(customer).ok_or(sqlx::Error::RowNotFound)?;
        let gap = TimeDelta::minutes((*minutes).into());
        clicks.sort_unstable_by_key(|click| click.started_at);
        Ok((customer, Touched { gap, pieces: sessionize(gap, clicks), near: BTreeMap::new() }))
    });
    touched.collect()
}

async fn read_near(conn: &mut PgConnection, touched: &mut BTreeMap<&str, Touched>) -> sqlx::Result<()> {
    let mut spans = stored::Spans::default();
    for (customer, Touched { gap, pieces, .. }) in &*touched {
        pieces.iter().for_each(|piece| spans.push(customer, piece, *gap));
    }
    for (customer, session) in stored::near(conn, spans).await? {
        if let Some(touched) = touched.get_mut(customer.as_str()) {
            touched.near.insert(session.started_at, session);
        }
    }
    Ok(())
}

async fn write(conn: &mut PgConnection, touched: BTreeMap<&str, Touched>) -> sqlx::Result<()> {
    let (mut all_gone, mut all_changed, mut all_new) = (Vec::new(), Vec::new(), Vec::new());
    for (customer, Touched { gap, pieces, near }) in touched {
        let Changes { gone, changed, new } = Changes::of(gap, near.into_values().collect(), pieces);
        all_gone.extend(gone.into_iter().map(|start| (customer, start)));
        all_changed.extend(changed.into_iter().map(|session| (customer, session)));
        all_new.extend(new.into_iter().map(|session| (customer, session)));
    }
    stored::delete(conn, &all_gone).await?;
    stored::update(conn, &all_changed).await?;
    stored::insert(conn, &all_new).await
}
