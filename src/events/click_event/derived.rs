//! Sessions, compared with those that the clicks make.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use super::sessions::{Session, Visit, append};
use super::stored::StoredSession;
use super::{ORDER, lock, rebuild};
use crate::events::{Comparison, Derived, Difference, Slice};

/// In the program and not in SQL, because the host of a referrer is found as it was when the click came in.
pub(super) const DERIVED: &[Derived] = &[Derived {
    name: "sessions",
    tables: &["click_sessions", "session_customers"],
    cuts: Some(CUTS),
    hold: None,
    comparison: Comparison::Code {
        differences: |conn, slice| {
            Box::pin(async move { Ok(differences(conn, slice).await?.into_iter().map(|(_, one)| one).collect()) })
        },
        mend: |conn, slice| Box::pin(mend(conn, slice)),
    },
}];

/// Customers with some hundred thousand events between them, or one who has more.
const CUTS: &str = "
    SELECT min(customer_id)
    FROM (SELECT customer_id, ((sum(sum(events)) OVER (ORDER BY customer_id) - sum(events)) / 100000)::bigint AS slice
          FROM click_sessions
          GROUP BY customer_id) AS customer
    GROUP BY slice
    ORDER BY min(customer_id)";

/// Clicks and stored sessions of some customers, in one statement. A customer without a row has the gap that it
/// would be given.
const LINES: &str = "
    SELECT click.customer_id, click.occurred_at, id, type = $3 AS is_order, event->>'page' AS page,
           event->>'referrer' AS referrer, coalesce(customer.gap_minutes, setting.gap_minutes) AS gap_minutes,
           customer.customer_id IS NULL AS is_unheld, NULL AS session
    FROM click_events AS click
    CROSS JOIN session_settings AS setting
    LEFT JOIN session_customers AS customer ON customer.customer_id = click.customer_id
    WHERE click.customer_id IS NOT NULL
        AND ($1::text IS NULL OR click.customer_id >= $1) AND ($2::text IS NULL OR click.customer_id < $2)
    UNION ALL
    SELECT customer_id, started_at, NULL, NULL, NULL, NULL, NULL, NULL, to_jsonb(session)
    FROM click_sessions AS session
    WHERE ($1::text IS NULL OR customer_id >= $1) AND ($2::text IS NULL OR customer_id < $2)
    ORDER BY customer_id, occurred_at";

#[derive(FromRow)]
struct Line {
    customer_id: String,
    occurred_at: DateTime<Utc>,
    id: Option<String>,
    is_order: Option<bool>,
    page: Option<String>,
    referrer: Option<String>,
    gap_minutes: Option<i32>,
    is_unheld: Option<bool>,
    session: Option<Json<StoredSession>>,
}

/// What was read of one customer.
#[derive(Default)]
struct Customer {
    id: String,
    is_unheld: bool,
    expected: Vec<Session>,
    found: BTreeMap<DateTime<Utc>, Session>,
}

/// With the customer of each.
async fn differences(conn: &mut PgConnection, slice: &Slice) -> sqlx::Result<Vec<(String, Difference)>> {
    let lines = sqlx::query_as::<_, Line>(LINES).persistent(false);
    let mut lines = lines.bind(&slice.from).bind(&slice.to).bind(ORDER).fetch(conn);
    let (mut differences, mut customer) = (Vec::new(), Customer::default());
    while let Some(line) = lines.try_next().await? {
        if line.customer_id != customer.id {
            let id = line.customer_id.clone();
            std::mem::replace(&mut customer, Customer { id, ..Customer::default() }).compare(&mut differences);
        }
        customer.add(line);
    }
    customer.compare(&mut differences);
    Ok(differences)
}

impl Customer {
    fn add(&mut self, line: Line) {
        let Line { customer_id: _, occurred_at, id, is_order, page, referrer, gap_minutes, is_unheld, session } = line;
        match (session, id) {
            (Some(Json(session)), _) => drop(self.found.insert(occurred_at, session.into_session().1)),
            (None, Some(id)) => {
                let (page, referrer) = (page.as_deref(), referrer.as_deref());
                let visit = Visit { id: &id, occurred_at, is_order: is_order == Some(true), page, referrer };
                let gap = TimeDelta::minutes(gap_minutes.unwrap_or_default().into());
                append(gap, &mut self.expected, visit.into());
                self.is_unheld |= is_unheld == Some(true);
            }
            (None, None) => {}
        }
    }

    fn compare(mut self, differences: &mut Vec<(String, Difference)>) {
        let mut differ = |what: &str, place, expected: Option<&Session>, found: Option<&Session>| {
            let describe = |session: Option<&Session>| session.map_or("no row".to_owned(), describe);
            let (what, expected, found) = (what.to_owned(), describe(expected), describe(found));
            differences.push((self.id.clone(), Difference { what, place, expected, found }));
        };
        if self.is_unheld {
            differ("session_customers", format!("customer {}", self.id), self.expected.first(), None);
        }
        for expected in &self.expected {
            let found = self.found.remove(&expected.started_at);
            if found.as_ref() != Some(expected) {
                differ("click_sessions", place(&self.id, expected), Some(expected), found.as_ref());
            }
        }
        for found in self.found.values() {
            differ("click_sessions", place(&self.id, found), None, Some(found));
        }
    }
}

fn place(customer: &str, session: &Session) -> String {
    format!("customer {customer} from {}", session.started_at.format("%FT%T%.fZ"))
}

fn describe(session: &Session) -> String {
    let Session { ended_at, events, orders, first_page, referrer, .. } = session;
    let mut text = format!("{events} events, {orders} orders, to {}", ended_at.format("%FT%T%.fZ"));
    if let Some(page) = first_page {
        text += &format!(", page {} of {}", page.value, page.event);
    }
    if let Some(referrer) = referrer {
        text += &format!(", referrer {} of {}", referrer.value.host, referrer.event);
    }
    text
}

/// Rebuilds the sessions of whoever differs, holding them as those do who store their clicks.
async fn mend(conn: &mut PgConnection, slice: &Slice) -> sqlx::Result<Vec<Difference>> {
    let (customers, differences): (BTreeSet<String>, Vec<Difference>) =
        differences(conn, slice).await?.into_iter().unzip();
    lock::hold(conn, &customers.iter().map(String::as_str).collect()).await?;
    let customers: Vec<String> = customers.into_iter().collect();
    let gaps: Vec<(i32, Vec<String>)> = sqlx::query_as(
        "SELECT gap_minutes, array_agg(customer_id) FROM session_customers WHERE customer_id = ANY($1)
         GROUP BY gap_minutes",
    )
    .bind(customers)
    .fetch_all(&mut *conn)
    .await?;
    for (minutes, customers) in gaps {
        rebuild::rebuild(conn, &customers, minutes).await?;
    }
    Ok(differences)
}
