//! What a person may do about a breaker.

use std::time::Duration;

use sqlx::PgPool;

use super::sizes::{self, TABLES};
use super::state::{self, Breaker, State};
use crate::events::Kind;

/// What is to become of the events of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All pass, rejected or not: for so long or, without a time, until few enough are rejected.
    Force(Option<Duration>),
    /// They are held until somebody orders something else.
    Hold,
    /// They pass again, as long as few enough are rejected.
    Resume,
}

/// Does what a person orders, and says what became of the breaker. Workers notice within a second.
///
/// Where it had opened because a reference table was emptied, letting everything pass means that the table
/// is right as it is.
///
/// # Errors
/// When the database cannot be asked.
pub async fn order(pool: &PgPool, project: &str, kind: &Kind, order: Order, because: &str) -> sqlx::Result<Breaker> {
    let subscription = format!("projects/{project}/subscriptions/{}", kind.subscription);
    let (state, seconds) = match order {
        Order::Force(time) => (State::Forced, time.map(|time| time.as_secs_f64())),
        Order::Hold => (State::Open, None),
        Order::Resume => (State::Closed, None),
    };
    if state == State::Forced {
        accept_tables(pool, kind, &subscription).await?;
    }
    let upsert = sqlx::query(
        "INSERT INTO breakers AS breaker (kind, subscription, state, cause, because, forced_until)
         VALUES ($1, $2, $3, 'operator', $4, now() + make_interval(secs => $5))
         ON CONFLICT (kind, subscription) DO UPDATE SET
             state = EXCLUDED.state, cause = EXCLUDED.cause, because = EXCLUDED.because, since = now(),
             forced_until = EXCLUDED.forced_until, revision = breaker.revision + 1",
    );
    let upsert = upsert.bind(kind.name).bind(&subscription).bind(state).bind(readable(because)).bind(seconds);
    upsert.execute(pool).await?;
    let breakers = state::list(pool).await?;
    let ours = |breaker: &Breaker| breaker.kind == kind.name && breaker.subscription == subscription;
    breakers.into_iter().find(ours).ok_or(sqlx::Error::RowNotFound)
}

async fn accept_tables(pool: &PgPool, kind: &Kind, subscription: &str) -> sqlx::Result<()> {
    let opened = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM breakers
                        WHERE kind = $1 AND subscription = $2 AND state = 'open' AND cause = 'references')",
    );
    if opened.bind(kind.name).bind(subscription).fetch_one(pool).await? {
        for table in TABLES {
            sizes::accept(pool, table).await?;
        }
    }
    Ok(())
}

/// What stands in logs and in `/readyz` is short; Postgres keeps no NUL in text.
fn readable(because: &str) -> String {
    because.chars().filter(|char| !char.is_control()).take(200).collect()
}
