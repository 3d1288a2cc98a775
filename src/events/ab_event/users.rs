//! Which versions and countries each user's events have. Users are counted by what is new about them, so
//! that counting them never reads more than those of a batch.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::counts::Deltas;

/// Versions, each with a country, that events of one user have.
pub(super) type Pairs = BTreeSet<(String, String)>;

/// Users with such pairs, in the order in which all transactions lock them.
pub(super) type Sightings = BTreeMap<String, Pairs>;

/// Notes what was seen of users, and counts what is new.
///
/// A user of whom nothing is new is not locked: somebody whom every batch has seen holds up none. The
/// others are, new ones first; in one order by all transactions, so that none waits for another in a circle.
pub(super) async fn see(conn: &mut PgConnection, sightings: Sightings, deltas: &mut Deltas) -> sqlx::Result<()> {
    let known = read(conn, sightings.keys()).await?;
    let is_new = |user: &String, pairs: &Pairs| known.get(user).is_none_or(|known| !pairs.is_subset(known));
    let news: Sightings = sightings.into_iter().filter(|(user, pairs)| is_new(user, pairs)).collect();
    let (strangers, mut others): (Sightings, Sightings) =
        news.into_iter().partition(|(user, _)| !known.contains_key(user));
    let inserted = insert(conn, &strangers).await?;
    for (user, pairs) in strangers {
        match inserted.contains(&user) {
            true => deltas.user(&Pairs::new(), &pairs),
            // Another transaction was faster, and has committed.
            false => drop(others.insert(user, pairs)),
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let locked = lock(conn, others.keys()).await?;
    for (user, before) in &locked {
        if let Some(pairs) = others.get_mut(user) {
            pairs.extend(before.iter().cloned());
            deltas.user(before, pairs);
        }
    }
    update(conn, &others).await
}

#[derive(sqlx::FromRow)]
struct User {
    user_id: String,
    versions: Vec<String>,
    countries: Vec<String>,
}

async fn read(conn: &mut PgConnection, users: impl Iterator<Item = &String>) -> sqlx::Result<Sightings> {
    let select = "SELECT user_id, versions, countries FROM ab_users WHERE user_id = ANY($1)";
    fetch(conn, select, users).await
}

/// Locks the users that are there, and reads what the last transaction to hold that lock has left.
pub(super) async fn lock(conn: &mut PgConnection, users: impl Iterator<Item = &String>) -> sqlx::Result<Sightings> {
    let select = "SELECT user_id, versions, countries FROM ab_users WHERE user_id = ANY($1)
                  ORDER BY user_id COLLATE \"C\" FOR UPDATE";
    fetch(conn, select, users).await
}

async fn fetch(
    conn: &mut PgConnection,
    select: &'static str,
    users: impl Iterator<Item = &String>,
) -> sqlx::Result<Sightings> {
    let users: Vec<&String> = users.collect();
    let users: Vec<User> = sqlx::query_as(select).bind(users).fetch_all(conn).await?;
    Ok(users.into_iter().map(|user| (user.user_id, user.versions.into_iter().zip(user.countries).collect())).collect())
}

/// Inserts users, and says which were not there.
pub(super) async fn insert(conn: &mut PgConnection, users: &Sightings) -> sqlx::Result<BTreeSet<String>> {
    if users.is_empty() {
        return Ok(BTreeSet::new());
    }
    let insert = "INSERT INTO ab_users (user_id, versions, countries)
                  SELECT user_id, array_agg(version ORDER BY number), array_agg(country ORDER BY number)
                  FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS pair (user_id, version, country, number)
                  GROUP BY user_id
                  ORDER BY min(number)
                  ON CONFLICT (user_id) DO NOTHING
                  RETURNING user_id";
    let Columns { ids, versions, countries } = Columns::of(users);
    let inserted = sqlx::query_scalar(insert).bind(ids).bind(versions).bind(countries).fetch_all(conn).await?;
    Ok(inserted.into_iter().collect())
}

/// Writes down all that is known of users whom this transaction has locked.
pub(super) async fn update(conn: &mut PgConnection, users: &Sightings) -> sqlx::Result<()> {
    let update = "UPDATE ab_users SET versions = seen.versions, countries = seen.countries
                  FROM (SELECT user_id, array_agg(version ORDER BY number) AS versions,
                               array_agg(country ORDER BY number) AS countries
                        FROM UNNEST($1::text[], $2::text[], $3::text[])
                             WITH ORDINALITY AS pair (user_id, version, country, number)
                        GROUP BY user_id) AS seen
                  WHERE ab_users.user_id = seen.user_id";
    let Columns { ids, versions, countries } = Columns::of(users);
    sqlx::query(update).bind(ids).bind(versions).bind(countries).execute(conn).await?;
    Ok(())
}

/// One place in each array for each pair.
#[derive(Default)]
struct Columns<'s> {
    ids: Vec<&'s str>,
    versions: Vec<&'s str>,
    countries: Vec<&'s str>,
}

impl<'s> Columns<'s> {
    fn of(users: &'s Sightings) -> Self {
        let mut columns = Columns::default();
        for (user, pairs) in users {
            for (version, country) in pairs {
                columns.ids.push(user);
                columns.versions.push(version);
                columns.countries.push(country);
            }
        }
        columns
    }
}
