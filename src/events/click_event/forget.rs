//! Clicks without who clicked. The sessions of a customer are put together anew of what is left of the clicks, under the
//! pseudonym: as many, at the same times, from the same sites.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, PgPool};

use super::{lock, rebuild};
use crate::database::{Run, find_in_pages};
use crate::domain::Person;

pub(super) async fn forget(pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
    let mut touched = 0;
    for (id, pseudonym) in &person.ids {
        touched += forget_customer(pool, person, id, &pseudonym.to_string(), run).await?;
    }
    if person.emails.is_empty() {
        return Ok(touched);
    }
    let named: Vec<(String, Option<String>)> =
        find_in_pages(pool, "click_events", NAMED, |part| part.bind(person.patterns())).await?;
    let mut by_customer: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    let is_somebody_else = |customer: &Option<String>| !customer.as_ref().is_some_and(|id| person.ids.contains_key(id));
    for (id, customer) in named.into_iter().filter(|(_, customer)| is_somebody_else(customer)) {
        by_customer.entry(customer).or_default().push(id);
    }
    for (customer, clicks) in by_customer {
        touched += blank(pool, person, customer, clicks, run).await?;
    }
    Ok(touched)
}

const NAMED: &str = "
    SELECT id, customer_id FROM click_events
    WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND event::text ~* ANY ($3)";

/// What is kept of a click: what makes sessions, without the parts of addresses that anything may stand in.
const BLANK: &str = "
    UPDATE click_events SET
        customer_id = $2,
        content_hash = '',
        event = jsonb_strip_nulls(jsonb_build_object(
            'timestamp', event->'timestamp', 'customer-id', $2::text,
            'page', CASE WHEN event->>'page' ~* $3 THEN substring(event->>'page' FROM $4) || '/'
                         ELSE regexp_replace(event->>'page', '[?#].*$', '') END,
            'referrer', CASE WHEN event->>'referrer' ~* $3 THEN substring(event->>'referrer' FROM $4) || '/'
                             ELSE regexp_replace(event->>'referrer', '[?#].*$', '') END,
            'product', CASE WHEN jsonb_typeof(event->'product') = 'number' THEN event->'product' END,
            'position', CASE WHEN jsonb_typeof(event->'position') = 'number' THEN event->'position' END))
    WHERE id = ANY ($1)";

/// Of an address, what leads to the site.
const SITE: &str = "^([a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@]+)";

async fn forget_customer(pool: &PgPool, person: &Person, id: &str, new: &str, run: Run) -> sqlx::Result<u64> {
    let is_there = "SELECT EXISTS (SELECT FROM session_customers WHERE customer_id = $1)";
    if !sqlx::query_scalar(is_there).bind(id).fetch_one(pool).await? {
        return Ok(0);
    }
    let mut tx = pool.begin().await?;
    hold(&mut tx, &[id, new]).await?;
    let clicks = "SELECT id FROM click_events WHERE customer_id = $1";
    let clicks: Vec<String> = sqlx::query_scalar(clicks).bind(id).fetch_all(&mut *tx).await?;
    let touched = blank_held(&mut tx, person, Some(new), clicks).await?;
    for delete in
        ["DELETE FROM click_sessions WHERE customer_id = $1", "DELETE FROM session_customers WHERE customer_id = $1"]
    {
        sqlx::query(delete).bind(id).execute(&mut *tx).await?;
    }
    run.end(tx).await?;
    Ok(touched)
}

/// Clicks of somebody else, or of nobody, in which an address stands.
async fn blank(
    pool: &PgPool,
    person: &Person,
    customer: Option<String>,
    clicks: Vec<String>,
    run: Run,
) -> sqlx::Result<u64> {
    let mut tx = pool.begin().await?;
    if let Some(customer) = &customer {
        hold(&mut tx, &[customer]).await?;
    }
    let touched = blank_held(&mut tx, person, customer.as_deref(), clicks).await?;
    run.end(tx).await?;
    Ok(touched)
}

async fn hold(conn: &mut PgConnection, customers: &[&str]) -> sqlx::Result<()> {
    // A single customer may have millions of clicks.
    sqlx::query("SET LOCAL statement_timeout = '10min'").execute(&mut *conn).await?;
    lock::hold(conn, &customers.iter().copied().collect::<BTreeSet<_>>()).await
}

async fn blank_held(
    conn: &mut PgConnection,
    person: &Person,
    customer: Option<&str>,
    clicks: Vec<String>,
) -> sqlx::Result<u64> {
    let update = sqlx::query(BLANK).bind(clicks).bind(customer).bind(person.pattern()).bind(SITE);
    let touched = update.execute(&mut *conn).await?.rows_affected();
    if let Some(customer) = customer {
        let minutes: i32 = sqlx::query_scalar("SELECT gap_minutes FROM session_settings").fetch_one(&mut *conn).await?;
        rebuild::rebuild(conn, &[customer.to_owned()], minutes).await?;
    }
    Ok(touched)
}
