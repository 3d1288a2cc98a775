//! The state of breakers in Postgres, which all workers share.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::window::{Limits, Tally};

/// What becomes of the events of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[schema(as = BreakerState)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// They pass.
    Closed,
    /// They are held.
    Open,
    /// They pass, however many of them are rejected.
    Forced,
}

/// Who or what brought a breaker into its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[schema(as = BreakerCause)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Cause {
    /// The share of events that are rejected.
    Rejections,
    /// A reference table that was emptied.
    References,
    /// A person.
    Operator,
}

/// One breaker, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Switch {
    pub(crate) subscription: String,
    pub(crate) state: State,
    pub(crate) cause: Cause,
    pub(crate) because: String,
    pub(crate) revision: i64,
}

impl Switch {
    /// One that never was in another state.
    pub(crate) fn closed(subscription: &str) -> Self {
        let subscription = subscription.to_owned();
        Switch { subscription, state: State::Closed, cause: Cause::Operator, because: String::new(), revision: 0 }
    }
}

/// Which breaker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) kind: &'a str,
    pub(crate) subscription: &'a str,
}

/// How old a report may be. A worker that holds reports more often.
const FRESH: &str = "reported_at > now() - interval '20 seconds'";
/// What is wanted back.
const SWITCH: &str = "subscription, state, cause, because, revision";

/// Those of these subscriptions that have a state.
pub(crate) async fn load(pool: &PgPool, subscriptions: &[&str]) -> sqlx::Result<Vec<Switch>> {
    let select = format!("SELECT {SWITCH} FROM breakers WHERE subscription = ANY($1)");
    sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(subscriptions).fetch_all(pool).await
}

/// Opens a closed breaker. Returns what it is now, which may be what somebody else made of it.
pub(crate) async fn open(pool: &PgPool, name: Name<'_>, cause: Cause, because: &str) -> sqlx::Result<Switch> {
    let insert = sqlx::query(
        "INSERT INTO breakers AS breaker (kind, subscription, state, cause, because) VALUES ($1, $2, 'open', $3, $4)
         ON CONFLICT (kind, subscription) DO UPDATE SET
             state = 'open', cause = EXCLUDED.cause, because = EXCLUDED.because, since = now(), forced_until = NULL,
             revision = breaker.revision + 1
         WHERE breaker.state = 'closed'",
    );
    insert.bind(name.kind).bind(name.subscription).bind(cause).bind(because).execute(pool).await?;
    let select = format!("SELECT {SWITCH} FROM breakers WHERE kind = $1 AND subscription = $2");
    sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(name.kind).bind(name.subscription).fetch_one(pool).await
}

/// Tells the other workers what this one sees, and forgets those that are long gone.
pub(crate) async fn report(
    pool: &PgPool,
    name: Name<'_>,
    instance: Uuid,
    revision: i64,
    seen: Tally,
) -> sqlx::Result<()> {
    let upsert = sqlx::query(
        "WITH gone AS (DELETE FROM breaker_reports WHERE reported_at < now() - interval '1 day')
         INSERT INTO breaker_reports (kind, subscription, instance, revision, events, rejected)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (kind, subscription, instance) DO UPDATE SET
             revision = EXCLUDED.revision, events = EXCLUDED.events, rejected = EXCLUDED.rejected, reported_at = now()",
    );
    let upsert = upsert.bind(name.kind).bind(name.subscription).bind(instance).bind(revision);
    upsert.bind(seen.events().cast_signed()).bind(seen.rejected.cast_signed()).execute(pool).await?;
    Ok(())
}

/// Closes an open breaker if, over all workers, at most `ratio` of what they hold would be rejected.
pub(crate) async fn close_when_passable(
    pool: &PgPool,
    name: Name<'_>,
    revision: i64,
    ratio: f64,
) -> sqlx::Result<Option<Switch>> {
    let update = format!(
        "UPDATE breakers SET state = 'closed', because = 'what was held would pass', since = now(),
                             revision = revision + 1
         WHERE kind = $1 AND subscription = $2 AND revision = $3 AND state = 'open' AND cause <> 'operator'
           AND (SELECT coalesce(sum(rejected) <= $4 * sum(events), true) FROM breaker_reports report
                WHERE report.kind = $1 AND report.subscription = $2 AND report.revision = $3 AND {FRESH})
         RETURNING {SWITCH}"
    );
    let update = sqlx::query_as(sqlx::AssertSqlSafe(update)).bind(name.kind).bind(name.subscription);
    update.bind(revision).bind(ratio).fetch_optional(pool).await
}

/// Ends forcing when its time is over or, where none was set, when no worker sees too much rejected.
pub(crate) async fn stop_forcing(
    pool: &PgPool,
    name: Name<'_>,
    revision: i64,
    limits: Limits,
) -> sqlx::Result<Option<Switch>> {
    let update = format!(
        "UPDATE breakers SET state = 'closed', because = 'forcing has ended', since = now(), forced_until = NULL,
                             revision = revision + 1
         WHERE kind = $1 AND subscription = $2 AND revision = $3 AND state = 'forced'
           AND coalesce(forced_until <= now(), since <= now() - make_interval(secs => $4)
               AND NOT (SELECT coalesce(sum(events) >= $5 AND sum(rejected) > $6 * sum(events), false)
                        FROM breaker_reports report
                        WHERE report.kind = $1 AND report.subscription = $2 AND report.revision = $3 AND {FRESH}))
         RETURNING {SWITCH}"
    );
    let update = sqlx::query_as(sqlx::AssertSqlSafe(update)).bind(name.kind).bind(name.subscription).bind(revision);
    let update = update.bind(limits.window.as_secs_f64()).bind(limits.minimum.cast_signed()).bind(limits.ratio);
    update.fetch_optional(pool).await
}

/// A breaker, as people see it.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(as = Breaker)]
pub struct Breaker {
    /// Kind of event.
    pub kind: String,
    /// Full name of the Pub/Sub subscription.
    pub subscription: String,
    /// `closed`: events pass. `open`: they are held. `forced`: all pass, rejected or not.
    pub state: State,
    /// Who or what brought it there.
    pub cause: Cause,
    /// The same, in words.
    pub because: String,
    /// When.
    pub since: DateTime<Utc>,
    /// When forcing ends; null while it ends by itself, once few enough events are rejected.
    #[schema(required)]
    pub forced_until: Option<DateTime<Utc>>,
    /// New events that workers hold at the moment, as far as they were judged again.
    pub held: i64,
    /// How many of those would be rejected.
    pub held_rejected: i64,
}

/// Every breaker that ever left its first state, by kind and subscription. All others are closed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<Breaker>> {
    let select = format!(
        "SELECT kind, subscription, state, cause, because, since, forced_until,
                coalesce(sum(events) FILTER (WHERE state = 'open'), 0)::bigint AS held,
                coalesce(sum(report.rejected) FILTER (WHERE state = 'open'), 0)::bigint AS held_rejected
         FROM breakers LEFT JOIN (SELECT * FROM breaker_reports WHERE {FRESH}) report
              USING (kind, subscription, revision)
         GROUP BY kind, subscription
         ORDER BY kind COLLATE \"C\", subscription COLLATE \"C\""
    );
    sqlx::query_as(sqlx::AssertSqlSafe(select)).fetch_all(pool).await
}
