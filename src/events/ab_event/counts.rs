//! The rollups of A/B test events: events and users per country and version, users per version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::users::{self, Pairs, Sightings};
use super::{Row, UNKNOWN, late};

/// Adds rows that were really inserted to the rollups.
pub(super) async fn roll_up(conn: &mut PgConnection, rows: &[&Row], shard: i16) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (mut deltas, mut sightings) = (Deltas::default(), Sightings::new());
    for row in rows {
        let (version, country) = (&*row.event.version, row.country().unwrap_or(UNKNOWN));
        let time = row.event.occurred_at;
        deltas.count(country, version, Events { number: 1, first: time, last: time });
        let pair = (version.to_owned(), country.to_owned());
        sightings.entry(row.event.user_id.to_string()).or_default().insert(pair);
    }
    if rows.iter().any(|row| row.country().is_none()) {
        late::hold_off(conn).await?;
    }
    users::see(conn, sightings, &mut deltas).await?;
    deltas.add(conn, shard).await
}

/// Some events, and when the first and the last of them happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) number: i64,
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
}

/// What a transaction adds to the rollups, in the order in which all transactions lock their rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deltas {
    /// By country and version.
    split: BTreeMap<(String, String), Split>,
    /// By version.
    audience: BTreeMap<String, Audience>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Split {
    events: i64,
    users: i64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Audience {
    users: i64,
    crossover_users: i64,
}

impl Deltas {
    /// Adds events to a country.
    pub(super) fn count(&mut self, country: &str, version: &str, events: Events) {
        let split = self.split(country, version);
        split.events += events.number;
        split.first = Some(split.first.map_or(events.first, |first| first.min(events.first)));
        split.last = split.last.max(Some(events.last));
    }

    /// Takes events away from a country. When the first and the last of the others happened is not known.
    pub(super) fn discount(&mut self, country: &str, version: &str, events: i64) {
        self.split(country, version).events -= events;
    }

    /// Counts a user, who was seen as `before`, as now `after`.
    pub(super) fn user(&mut self, before: &Pairs, after: &Pairs) {
        for (sign, pairs) in [(-1, before), (1, after)] {
            for (version, country) in pairs {
                self.split(country, version).users += sign;
            }
            // Pairs are sorted by version.
            let mut versions: Vec<&str> = pairs.iter().map(|(version, _)| version.as_str()).collect();
            versions.dedup();
            for version in &versions {
                self.audience(version).users += sign;
            }
            if let [first, _, ..] = versions.as_slice() {
                self.audience(first).crossover_users += sign;
            }
        }
    }

    fn split(&mut self, country: &str, version: &str) -> &mut Split {
        self.split.entry((country.to_owned(), version.to_owned())).or_default()
    }

    fn audience(&mut self, version: &str) -> &mut Audience {
        self.audience.entry(version.to_owned()).or_default()
    }

    /// Adds everything to the rollups.
    pub(super) async fn add(mut self, conn: &mut PgConnection, shard: i16) -> sqlx::Result<()> {
        self.split.retain(|_, split| *split != Split::default());
        self.audience.retain(|_, audience| *audience != Audience::default());
        add_to_split(conn, self.split, shard).await?;
        add_to_audience(conn, self.audience, shard).await
    }
}

async fn add_to_split(
    conn: &mut PgConnection,
    deltas: BTreeMap<(String, String), Split>,
    shard: i16,
) -> sqlx::Result<()> {
    if deltas.is_empty() {
        return Ok(());
    }
    let (mut countries, mut versions, mut events, mut users) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for ((country, version), delta) in deltas {
        countries.push(country);
        versions.push(version);
        events.push(delta.events);
        users.push(delta.users);
        firsts.push(delta.first);
        lasts.push(delta.last);
    }
    let upsert = sqlx::query(
        "INSERT INTO ab_split AS sum (country, version, shard, events, users, first_event, last_event)
         SELECT country, version, $1, events, users, first_event, last_event
         FROM UNNEST($2::text[], $3::text[], $4::int8[], $5::int8[], $6::timestamptz[], $7::timestamptz[])
              AS delta (country, version, events, users, first_event, last_event)
         ON CONFLICT (country, version, shard) DO UPDATE SET
             events = sum.events + EXCLUDED.events,
             users = sum.users + EXCLUDED.users,
             first_event = least(sum.first_event, EXCLUDED.first_event),
             last_event = greatest(sum.last_event, EXCLUDED.last_event)",
    );
    let upsert = upsert.bind(shard).bind(countries).bind(versions).bind(events).bind(users).bind(firsts).bind(lasts);
    upsert.execute(conn).await?;
    Ok(())
}

async fn add_to_audience(conn: &mut PgConnection, deltas: BTreeMap<String, Audience>, shard: i16) -> sqlx::Result<()> {
    if deltas.is_empty() {
        return Ok(());
    }
    let (mut versions, mut users, mut crossovers) = (Vec::new(), Vec::new(), Vec::new());
    for (version, delta) in deltas {
        versions.push(version);
        users.push(delta.users);
        crossovers.push(delta.crossover_users);
    }
    let upsert = sqlx::query(
        "INSERT INTO ab_audience AS sum (version, shard, users, crossover_users)
         SELECT version, $1, users, crossover_users
         FROM UNNEST($2::text[], $3::int8[], $4::int8[]) AS delta (version, users, crossover_users)
         ON CONFLICT (version, shard) DO UPDATE SET
             users = sum.users + EXCLUDED.users,
             crossover_users = sum.crossover_users + EXCLUDED.crossover_users",
    );
    upsert.bind(shard).bind(versions).bind(users).bind(crossovers).execute(conn).await?;
    Ok(())
}
