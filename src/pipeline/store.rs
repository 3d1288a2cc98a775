//! One transaction decides everything about a batch: rows, rollups, ledger and dead letters.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::batch::Batch;
use super::borrowed::Borrowed;
use super::dead_letter::{self, Scribe};
use super::ledger::{self, Counts, Opened};
use super::replayed::Replayed;
use super::shard;
use super::verdict::{Code, Reason, Rejection, Violation};
use super::{AllJudged, Judged, Outcome, Pipeline, Unavailable, Which};
use crate::events::{ContentHash, EventKind, is_stored_as};
use crate::hex::hex;
use crate::intake::{Delivery, Source};
use crate::shutdown::Stopped;

/// How long one attempt may take before its connection is given up as frozen.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Why an attempt did not commit.
pub(super) enum Failure {
    /// Postgres refused a row of the batch, with this reason.
    Row(String),
    /// The world is to blame.
    Unavailable(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Unavailable(error)
    }
}

/// Commits a batch, in one transaction, or in several smaller ones where Postgres refuses a row.
///
/// The first of them has this id. Returns the outcome of each event, in no particular order.
///
/// # Errors
/// Only when the process gives up; what has not committed by then is delivered again.
pub async fn commit<K: EventKind>(
    pipeline: &Pipeline,
    id: Uuid,
    source: Source,
    deliveries: &[Delivery],
    judged: AllJudged<K>,
) -> Result<Vec<(Which, Outcome)>, Stopped> {
    let mut decided = Vec::with_capacity(deliveries.len());
    let mut todo = Batch::cut(id, source, judged);
    while let Some(batch) = todo.pop() {
        match commit_one(pipeline, deliveries, &batch).await? {
            Ok(outcomes) => decided.extend(outcomes),
            Err(refused) => todo.extend(batch.without_the_refused(&refused)),
        }
    }
    Ok(decided)
}

/// Repeats a batch unchanged until it has committed, or until Postgres refuses a row of it.
async fn commit_one<K: EventKind>(
    pipeline: &Pipeline,
    deliveries: &[Delivery],
    batch: &Batch<K>,
) -> Result<Result<Vec<(Which, Outcome)>, String>, Stopped> {
    // Filled right before the commit is sent: whether its reply arrives or not, these outcomes stand
    // as soon as the ledger knows the batch.
    let mut pending = None;
    let mut outage = pipeline.outage("commit a batch");
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, attempt(pipeline, deliveries, batch, &mut pending));
        match pipeline.shutdown.unless_given_up(attempt).await? {
            Ok(Ok(())) => {
                outage.over();
                return Ok(Ok(pending.unwrap_or_default()));
            }
            Ok(Err(Failure::Row(refused))) if batch.may_be_blamed() => return Ok(Err(refused)),
            Ok(Err(Failure::Row(refused))) => outage.wait(&Unavailable::Refused(refused)).await?,
            Ok(Err(Failure::Unavailable(error))) => outage.wait(&error.into()).await?,
            Err(_frozen) => outage.wait(&Unavailable::Frozen(ATTEMPT)).await?,
        }
    }
}

async fn attempt<K: EventKind>(
    pipeline: &Pipeline,
    deliveries: &[Delivery],
    batch: &Batch<K>,
    pending: &mut Option<Vec<(Which, Outcome)>>,
) -> Result<(), Failure> {
    let mut conn = Borrowed::from(&pipeline.pool).await?;
    let mut tx = conn.begin().await?;
    let decided = match ledger::open(&mut tx, batch.id, K::NAME, batch.source).await? {
        Some(opened) => decide(&mut tx, deliveries, batch, &opened).await.map(Some),
        None => Ok(None),
    };
    let ended = match decided {
        Ok(Some(outcomes)) => {
            ledger::close(&mut tx, batch.id, Counts::of(outcomes.iter().map(|(_, outcome)| outcome))).await?;
            *pending = Some(outcomes);
            let ended = if pipeline.dry_run { tx.rollback().await } else { tx.commit().await };
            Ok(ended?)
        }
        Err(Failure::Unavailable(error)) => return Err(error.into()),
        Ok(None) => Ok(tx.rollback().await?),
        Err(refused) => tx.rollback().await.map_err(Failure::from).and(Err(refused)),
    };
    conn.give_back();
    ended
}

/// Everything between the first and the last statement of the ledger.
async fn decide<K: EventKind>(
    conn: &mut PgConnection,
    deliveries: &[Delivery],
    batch: &Batch<K>,
    opened: &Opened,
) -> Result<Vec<(Which, Outcome)>, Failure> {
    let replayed = Replayed::lock(conn, deliveries, batch).await?;
    let may_decide = |event: &&Judged<K>| replayed.may_decide(event) && !opened.is_too_old(event);
    let (events, decided): (Vec<_>, Vec<_>) = batch.events.iter().partition(may_decide);
    let mut stored = insert(conn, &events).await?;
    let ignored = batch.ignored.iter().copied().chain(decided.iter().map(|event| event.which()));
    let mut outcomes: Vec<_> = ignored.map(|which| (which, Outcome::Ignored)).collect();
    let (mut new, mut letters, mut scribe) = (Vec::with_capacity(stored.len()), Vec::new(), Scribe::new(deliveries));
    for event in events {
        let which = event.which();
        let rejection = match &event.verdict {
            Ok(row) => match stand::<K>(row, &mut stored)? {
                Standing::New(key) => {
                    new.push(row);
                    outcomes.push((which, Outcome::Stored { key }));
                    continue;
                }
                Standing::Duplicate(key) => {
                    outcomes.push((which, Outcome::Duplicate { key }));
                    continue;
                }
                Standing::Conflict(rejection) => Cow::Owned(rejection),
            },
            Err(_) if is_stored(event, &stored) => {
                let key = event.key.as_ref().map(ToString::to_string).unwrap_or_default();
                outcomes.push((which, Outcome::Duplicate { key }));
                continue;
            }
            Err(rejection) => Cow::Borrowed(rejection),
        };
        letters.push((which, Arc::new(scribe.write(event, &rejection))));
    }
    let shard = shard::free(conn).await?;
    K::roll_up(conn, &new, shard).await?;
    replayed.close(conn, &outcomes).await?;
    outcomes.extend(match batch.source {
        Source::Replay => dead_letter::reject_again(conn, letters, replayed.open(), shard).await?,
        _ => dead_letter::insert(conn, letters, shard).await?,
    });
    Ok(outcomes)
}

/// What the database holds under a key, once the batch has been inserted.
struct Stored {
    content: ContentHash,
    /// Inserted by this batch, and no event of it has claimed that yet.
    unclaimed: bool,
}

impl Stored {
    fn holds(&self, content: ContentHash) -> bool {
        is_stored_as(self.content, content)
    }
}

/// Inserts the first event of each key, and reads what stands under the keys that were taken.
///
/// That is read in a second statement: the inserting one cannot see the row of a transaction that
/// it waited for.
async fn insert<K: EventKind>(
    conn: &mut PgConnection,
    events: &[&Judged<K>],
) -> Result<HashMap<K::Key, Stored>, Failure> {
    let mut first: BTreeMap<K::Key, &K::Row> = BTreeMap::new();
    for row in events.iter().filter_map(|event| event.verdict.as_ref().ok()) {
        first.entry(K::key(row)).or_insert(row);
    }
    let rows: Vec<&K::Row> = first.values().copied().collect();
    let inserted = match rows.is_empty() {
        true => Vec::new(),
        false => K::insert(conn, &rows).await.map_err(blame_row)?,
    };
    let mut stored = HashMap::with_capacity(first.len());
    for key in inserted {
        if let Some(row) = first.remove(&key) {
            stored.insert(key, Stored { content: K::content_hash(row), unclaimed: true });
        }
    }
    let doubtful = events.iter().filter(|event| event.content.is_some()).filter_map(|event| event.key.clone());
    let mut taken: BTreeSet<K::Key> = doubtful.filter(|key| !stored.contains_key(key)).collect();
    taken.extend(first.into_keys());
    if !taken.is_empty() {
        let taken: Vec<K::Key> = taken.into_iter().collect();
        let contents = K::stored(conn, &taken).await?;
        stored.extend(contents.into_iter().map(|(key, content)| (key, Stored { content, unclaimed: false })));
    }
    Ok(stored)
}

/// Whether an event that only missing rows speak against was stored when they were there.
fn is_stored<K: EventKind>(event: &Judged<K>, stored: &HashMap<K::Key, Stored>) -> bool {
    let standing = event.key.as_ref().and_then(|key| stored.get(key));
    standing.zip(event.content).is_some_and(|(stored, content)| stored.holds(content))
}

enum Standing {
    New(String),
    Duplicate(String),
    Conflict(Rejection),
}

fn stand<K: EventKind>(row: &K::Row, stored: &mut HashMap<K::Key, Stored>) -> Result<Standing, Failure> {
    let key = K::key(row);
    // Deleted between the two statements: the next attempt inserts it.
    let stored = stored.get_mut(&key).ok_or(Failure::Unavailable(sqlx::Error::RowNotFound))?;
    if std::mem::take(&mut stored.unclaimed) {
        return Ok(Standing::New(key.to_string()));
    }
    let content = K::content_hash(row);
    if stored.holds(content) {
        return Ok(Standing::Duplicate(key.to_string()));
    }
    let expected = format!("the content stored under this id, {}", hex(&stored.content));
    let violation = Violation::new(Code::ContentDiffers, "", expected, &hex(&content));
    Ok(Standing::Conflict(Rejection::single(Reason::Conflict, violation)))
}

/// An error of a row's own insert is about the row when its class says so; all else is the world's.
pub(super) fn blame_row(error: sqlx::Error) -> Failure {
    const ABOUT_THE_ROW: [&str; 3] = ["22", "23", "54"];
    let refused = error.as_database_error().filter(|database| {
        database.code().is_some_and(|code| ABOUT_THE_ROW.iter().any(|class| code.starts_with(class)))
    });
    match refused {
        Some(database) => Failure::Row(database.message().to_owned()),
        None => Failure::Unavailable(error),
    }
}
