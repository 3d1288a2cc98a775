//! Shoppers who become known after their events came in. Everybody who waits for a shopper is in
//! `ab_users` under the country `unknown`; this looks, again and again, which of them are in `shoppers` by
//! now, gives their events the country and gender, and moves the counts along.
//!
//! Looking for a state misses nobody, whatever order transactions commit in. What could still go wrong is
//! an event that commits as unknown while its user is being moved: therefore whoever adds such events
//! holds [`LOCK`] shared until it has committed, and whoever moves holds it alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use super::UNKNOWN;
use super::counts::{Deltas, Events};
use super::users::{self, Pairs, Sightings};
use crate::events::Premises;
use crate::pipeline::borrowed::Borrowed;
use crate::pipeline::shard;
use crate::shutdown::Shutdown;

/// The advisory lock on events of unknown shoppers.
const LOCK: i64 = 0x7075_7273_6162;
/// How long nothing is looked for, at the least; looking takes up a tenth of the time, at the most.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a statement or a transaction may take before its connection is given up as frozen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Users that are looked for at once.
const LOOKED_FOR: usize = 10_000;
/// Users that are moved in one transaction, and events of theirs: so few that nobody waits long for it.
const USERS: usize = 500;
const EVENTS: i64 = 10_000;

/// A shopper whom somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shopper {
    country: String,
    gender: Option<String>,
}

type Arrived = BTreeMap<String, Shopper>;

/// Until the transaction ends, no user is moved. To be called before users are looked at.
pub(super) async fn hold_off(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(LOCK).execute(conn).await?;
    Ok(())
}

/// Moves users as long as the process works, whatever goes wrong in between.
pub(super) fn upkeep(premises: Premises) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let Premises { pool, shutdown, .. } = premises;
        let mut failing = false;
        while !shutdown.soft().is_cancelled() {
            let pause = match shutdown.unless_given_up(move_all(&pool, &shutdown)).await? {
                Ok(pause) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("A/B events of late shoppers get their country again");
                    }
                    pause
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "A/B events of late shoppers wait for their country");
                    }
                    PAUSE
                }
            };
            shutdown.soft().run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        Ok(())
    })
}

/// Moves everybody whose shopper is there, and says how long to rest from looking.
async fn move_all(pool: &PgPool, shutdown: &Shutdown) -> sqlx::Result<Duration> {
    loop {
        let started = Instant::now();
        let arrived = in_time(look(pool)).await?;
        let rest = PAUSE.max(9 * started.elapsed());
        let found: Vec<(String, Shopper)> = arrived.into_iter().collect();
        let mut moved = 0;
        for chunk in found.chunks(USERS) {
            let chunk: Arrived = chunk.iter().cloned().collect();
            let mut more = true;
            while more && !shutdown.soft().is_cancelled() {
                let events = in_time(move_some(pool, &chunk)).await?;
                moved += events;
                more = events == EVENTS;
            }
        }
        if found.len() < LOOKED_FOR || moved == 0 || shutdown.soft().is_cancelled() {
            return Ok(rest);
        }
    }
}

async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Who waits, and is there by now. Anew each time, because the table may be somebody else's who drops it;
/// its key may be of another type.
async fn look(pool: &PgPool) -> sqlx::Result<Arrived> {
    let mut conn = Borrowed::from(pool).await?;
    let look = sqlx::query_as(
        "SELECT waiting.user_id, shopper.country::text, shopper.gender::text
         FROM ab_users AS waiting JOIN shoppers AS shopper ON shopper.user_id::text = waiting.user_id
         WHERE 'unknown' = ANY (waiting.countries)
             AND octet_length(shopper.country::text) BETWEEN 1 AND 255 AND shopper.country::text <> 'unknown'
         LIMIT $1",
    );
    let rows: Vec<(String, String, Option<String>)> =
        look.bind(LOOKED_FOR as i64).persistent(false).fetch_all(conn.get()?).await?;
    conn.give_back();
    Ok(rows.into_iter().map(|(user, country, gender)| (user, Shopper { country, gender })).collect())
}

/// Moves so many events of these users at the most, and says how many.
async fn move_some(pool: &PgPool, arrived: &Arrived) -> sqlx::Result<i64> {
    let mut conn = Borrowed::from(pool).await?;
    let mut tx = conn.begin().await?;
    // While this waits for its turn, others wait behind it: rather later than long.
    sqlx::query("SET LOCAL lock_timeout = '1s'").execute(&mut *tx).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    let before = users::lock(&mut tx, arrived.keys()).await?;
    let moved = move_events(&mut tx, arrived).await?;
    let number = moved.iter().map(|moved| moved.number).sum();
    let left = if number < EVENTS { Sightings::new() } else { left(&mut tx, &before).await? };
    let (mut deltas, mut after) = (Deltas::default(), Sightings::new());
    for moved in &moved {
        moved.count(&mut deltas);
    }
    for (user, pairs) in &before {
        let pairs_after = seen_after(user, pairs, &left, &moved);
        deltas.user(pairs, &pairs_after);
        after.insert(user.clone(), pairs_after);
    }
    users::update(&mut tx, &after).await?;
    let shard = shard::free(&mut tx).await?;
    deltas.add(&mut tx, shard).await?;
    tx.commit().await?;
    conn.give_back();
    Ok(number)
}

/// Events of one user and version that got a country.
#[derive(Debug, sqlx::FromRow)]
struct Moved {
    user_id: String,
    version: String,
    country: String,
    number: i64,
    first: chrono::DateTime<chrono::Utc>,
    last: chrono::DateTime<chrono::Utc>,
}

impl Moved {
    fn count(&self, deltas: &mut Deltas) {
        let Moved { user_id: _, version, country, number, first, last } = self;
        deltas.discount(UNKNOWN, version, *number);
        deltas.count(country, version, Events { number: *number, first: *first, last: *last });
    }
}

async fn move_events(conn: &mut PgConnection, arrived: &Arrived) -> sqlx::Result<Vec<Moved>> {
    let users: Vec<&str> = arrived.keys().map(String::as_str).collect();
    let countries: Vec<&str> = arrived.values().map(|shopper| shopper.country.as_str()).collect();
    let genders: Vec<Option<&str>> = arrived.values().map(|shopper| shopper.gender.as_deref()).collect();
    let update = sqlx::query_as(
        "WITH moved AS (
             UPDATE ab_events AS event SET country = shopper.country, gender = shopper.gender
             FROM UNNEST($1::text[], $2::text[], $3::text[]) AS shopper (user_id, country, gender)
             WHERE event.user_id = shopper.user_id AND event.ctid = ANY (ARRAY(
                 SELECT ctid FROM ab_events WHERE user_id = ANY ($1) AND country IS NULL LIMIT $4))
             RETURNING event.user_id, event.version, event.country, event.occurred_at
         )
         SELECT user_id, version, country, count(*) AS number, min(occurred_at) AS first, max(occurred_at) AS last
         FROM moved GROUP BY user_id, version, country",
    );
    update.bind(users).bind(countries).bind(genders).bind(EVENTS).fetch_all(conn).await
}

/// Of the versions under which users wait, those that they still have unknown events of.
async fn left(conn: &mut PgConnection, before: &Sightings) -> sqlx::Result<Sightings> {
    let waiting = before.iter().flat_map(|(user, pairs)| pairs.iter().map(move |pair| (user, pair)));
    let waiting = waiting.filter(|(_, (_, country))| country == UNKNOWN);
    let (users, versions): (Vec<&str>, Vec<&str>) =
        waiting.map(|(user, (version, _))| (user.as_str(), version.as_str())).unzip();
    let select = sqlx::query_as(
        "SELECT user_id, version FROM UNNEST($1::text[], $2::text[]) AS waiting (user_id, version)
         WHERE EXISTS (SELECT FROM ab_events AS event
                       WHERE event.user_id = waiting.user_id AND event.version = waiting.version AND country IS NULL)",
    );
    let rows: Vec<(String, String)> = select.bind(users).bind(versions).fetch_all(conn).await?;
    let mut left = Sightings::new();
    for (user, version) in rows {
        left.entry(user).or_default().insert((version, UNKNOWN.to_owned()));
    }
    Ok(left)
}

/// What is to be known of a user after some of its events were moved.
fn seen_after(user: &str, before: &Pairs, left: &Sightings, moved: &[Moved]) -> Pairs {
    let known = before.iter().filter(|(_, country)| country != UNKNOWN).cloned();
    let moved = moved.iter().filter(|moved| moved.user_id == user);
    let moved = moved.map(|moved| (moved.version.clone(), moved.country.clone()));
    known.chain(moved).chain(left.get(user).into_iter().flatten().cloned()).collect()
}
