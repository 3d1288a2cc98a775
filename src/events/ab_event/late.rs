//! Shoppers who become known after their events came in. Everybody who waits for a shopper is in
//! `ab_users` under the country `unknown`; this looks, again and again, which of them are in `shoppers` by
//! now, gives their events the country and gender, and moves the counts along.
//!
//! Looking for a state misses nobody, whatever order transactions commit in. What could still go wrong is
//! an event that commits as unknown while its user is being moved: therefore whoever adds such events
//! holds [`LOCK`] shared until it has committed, and whoever moves holds it alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};

use super::UNKNOWN;
use super::counts::{Deltas, Events};
use super::users::{self, Pairs, Sightings};
use crate::events::Premises;
use crate::pipeline::borrowed::Borrowed;
use crate::pipeline::check_references::{References, Shopper};
use crate::pipeline::{Unavailable, in_time, shard};
use crate::shutdown::Shutdown;

/// The advisory lock on events of unknown shoppers.
const LOCK: i64 = 0x7075_7273_6162;
/// How long nothing is looked for, at the least; looking takes up a tenth of the time, at the most.
const PAUSE: Duration = Duration::from_secs(2);
/// Users who are looked for at once.
const LOOKED_FOR: i64 = 5000;
/// Users who are moved in one transaction, and events of theirs: so few that nobody waits long for it.
const USERS: usize = 500;
const EVENTS: i64 = 10_000;

/// Users whose shopper is there by now, and has a country.
type Arrived = BTreeMap<String, Arc<Shopper>>;

/// Until the transaction ends, no user is moved. To be called before users are looked at.
pub(super) async fn hold_off(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(LOCK).execute(conn).await?;
    Ok(())
}

/// Moves users as long as the process works, whatever goes wrong in between.
pub(super) fn upkeep(Premises { pool, shutdown, .. }: Premises) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let mut failing = false;
        while !shutdown.soft().is_cancelled() {
            let pause = match shutdown.unless_given_up(move_all(&pool, &shutdown)).await? {
                Ok(looking) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("A/B events of late shoppers get their country again");
                    }
                    PAUSE.max(9 * looking)
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

/// Goes once through everybody who waits, moves those whose shopper is there, and says how long looking took.
async fn move_all(pool: &PgPool, shutdown: &Shutdown) -> Result<Duration, Unavailable> {
    let (mut looking, mut last) = (Duration::ZERO, String::new());
    loop {
        let started = Instant::now();
        let waiting = in_time(waiting(pool, &last)).await?;
        let arrived = in_time(arrived(pool, &waiting)).await?;
        looking += started.elapsed();
        for chunk in arrived.chunks(USERS) {
            let chunk: Arrived = chunk.iter().cloned().collect();
            while !shutdown.soft().is_cancelled() && in_time(move_some(pool, &chunk)).await? == EVENTS {}
        }
        match waiting.into_iter().next_back() {
            Some(user) if !shutdown.soft().is_cancelled() => last = user,
            _ => return Ok(looking),
        }
    }
}

/// The next who wait for their shopper.
async fn waiting(pool: &PgPool, last: &str) -> sqlx::Result<Vec<String>> {
    let mut conn = Borrowed::from(pool).await?;
    let select = "SELECT user_id FROM ab_users WHERE 'unknown' = ANY (countries) AND user_id > $1
                  ORDER BY user_id LIMIT $2";
    let users = sqlx::query_scalar(select).bind(last).bind(LOOKED_FOR).fetch_all(conn.get()?).await?;
    conn.give_back();
    Ok(users)
}

/// Which of them are there. Nothing that was known of shoppers before is believed.
async fn arrived(pool: &PgPool, waiting: &[String]) -> Result<Vec<(String, Arc<Shopper>)>, Unavailable> {
    let shoppers: Vec<_> = waiting.iter().map(|user| super::shopper(user)).collect();
    let known = References::new(pool.clone()).look_up(shoppers.iter()).await?;
    let arrived = waiting.iter().filter_map(|user| Some((user.clone(), Arc::clone(known.shopper(user)?))));
    Ok(arrived.filter(|(_, shopper)| super::country(shopper).is_some()).collect())
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
    let countries: Vec<Option<&str>> = arrived.values().map(|shopper| super::country(shopper)).collect();
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
