//! Trying dead letters again: their exact bytes, through the very same pipeline.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::archive::{Archive, Letter, Unreadable};
use super::{Away, Filter, Status};
use crate::events::Kind;
use crate::intake::{Delivery, Receipt, Replays, Source};
use crate::pipeline::{Outcome, Pipeline};
use crate::shutdown::Stopped;

/// The most dead letters that are tried again in one batch.
const LETTERS: i64 = 1000;
/// The most bytes of payload of such a batch, unless a single one is larger.
const BYTES: i64 = 8 << 20;
/// What a payload is taken to have whose size is not known.
const UNKNOWN_BYTES: i64 = 64 << 10;

/// Tries dead letters again. Any number may do so at once: each letter is decided once.
#[derive(Clone)]
pub struct Replay {
    /// What judges them. In a dry run, it says what would become of them, and nothing changes.
    pub pipeline: Pipeline,
    /// Where they are kept.
    pub archive: Archive,
    /// What those become whose events are stored.
    pub becomes: Status,
}

/// What became of some dead letters; of a dry run, what would.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub matched: u64,
    /// Their events are rows now.
    pub stored: u64,
    /// Their events had been rows before.
    pub duplicate: u64,
    /// Rejected once more.
    pub rejected: u64,
    /// Somebody else had decided about them by then, or their message holds no such event any more.
    pub ignored: u64,
    /// What is kept of them cannot be read; nothing was changed.
    pub unreadable: u64,
}

/// What became of all dead letters that were tried again.
#[derive(Debug, Default, Clone)]
pub struct Replayed {
    /// By fingerprint, as it was before.
    pub tallies: BTreeMap<String, Tally>,
    /// Those that could not be, and why.
    pub unreadable: BTreeMap<Uuid, Unreadable>,
    /// Those that were ignored.
    pub ignored: Vec<Uuid>,
}

/// Why not all were tried; what was decided by then stays so.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// Database or blob store did not answer.
    #[error(transparent)]
    Away(#[from] Away),
    /// The process was told to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<sqlx::Error> for Interrupted {
    fn from(error: sqlx::Error) -> Self {
        Interrupted::Away(error.into())
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chosen<'f> {
    /// Open ones, by what a reviewer says of them.
    By(&'f Filter),
    /// Those that have everything that they waited for.
    Ready {
        /// Leaving out these.
        but: &'f [Uuid],
    },
}

/// Where a page ends: in the order in which messages came in, so that of two events with one id the earlier
/// is stored.
type After = (DateTime<Utc>, Uuid);

#[derive(sqlx::FromRow)]
struct Candidate {
    id: Uuid,
    kind: String,
    fingerprint: String,
    received_at: DateTime<Utc>,
    payload_bytes: Option<i64>,
}

impl Replay {
    /// Tries those again that are open and match, and came in by now. After each batch it tells `progress`
    /// what became of all so far. Ended early, and begun again with the same filter, it goes on: what was
    /// stored is closed.
    ///
    /// # Errors
    /// When it was told to stop, or the database or the blob store is away.
    pub async fn run(&self, filter: &Filter, progress: impl FnMut(&Replayed)) -> Result<Replayed, Interrupted> {
        self.all(Chosen::By(filter), progress).await
    }

    pub(super) async fn all(
        &self,
        chosen: Chosen<'_>,
        mut progress: impl FnMut(&Replayed),
    ) -> Result<Replayed, Interrupted> {
        let (mut replayed, mut after, until) = (Replayed::default(), None, Utc::now());
        loop {
            if self.pipeline.shutdown.soft().is_cancelled() {
                return Err(Stopped.into());
            }
            let page = self.page(chosen, after, until).await?;
            let Some(last) = page.last() else { return Ok(replayed) };
            after = Some((last.received_at, last.id));
            self.decide(page, &mut replayed).await?;
            progress(&replayed);
        }
    }

    async fn page(
        &self,
        chosen: Chosen<'_>,
        after: Option<After>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Candidate>, Interrupted> {
        let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(
            "SELECT letter.id, letter.kind, letter.fingerprint, letter.received_at, letter.payload_bytes
             FROM dead_letters AS letter WHERE letter.status = 'open' AND ",
        );
        match chosen {
            Chosen::By(filter) => filter.push(&mut sql),
            Chosen::Ready { but } => {
                sql.push("letter.ready AND letter.id <> ALL (").push_bind(but.to_vec()).push(")");
            }
        }
        sql.push(" AND letter.received_at <= ").push_bind(until);
        if let Some((received_at, id)) = after {
            sql.push(" AND (letter.received_at, letter.id) > (").push_bind(received_at);
            sql.push(", ").push_bind(id).push(")");
        }
        sql.push(" ORDER BY letter.received_at, letter.id LIMIT ").push_bind(LETTERS);
        let mut page: Vec<Candidate> = sql.build_query_as().persistent(false).fetch_all(&self.archive.pool).await?;
        page.truncate(fitting(page.iter().map(|letter| letter.payload_bytes.unwrap_or(UNKNOWN_BYTES))));
        Ok(page)
    }

    async fn decide(&self, page: Vec<Candidate>, replayed: &mut Replayed) -> Result<(), Interrupted> {
        let mut by_kind: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for letter in page {
            by_kind.entry(letter.kind.clone()).or_default().push(letter);
        }
        for (kind, letters) in by_kind {
            let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
            let mut fates = self.decide_kind(&kind, &ids).await?;
            for letter in letters {
                let fate = fates.remove(&letter.id).unwrap_or(Ok(None));
                replayed.tallies.entry(letter.fingerprint).or_default().count(&fate);
                match fate {
                    Err(why) => drop(replayed.unreadable.insert(letter.id, why)),
                    Ok(None | Some(Outcome::Ignored)) => replayed.ignored.push(letter.id),
                    Ok(_) => {}
                }
            }
        }
        Ok(())
    }

    async fn decide_kind(&self, kind: &str, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Fate>, Interrupted> {
        let (mut fates, mut deliveries) = (BTreeMap::new(), Vec::new());
        let (told, mut outcomes) = mpsc::unbounded_channel();
        let mut letters = self.archive.read(ids).await?;
        for id in ids {
            let letter = letters.remove(id).unwrap_or(Err(Unreadable::Unknown));
            match letter.and_then(|letter| delivery(letter, self.becomes, told.clone())) {
                Ok(delivery) => deliveries.push(delivery),
                Err(why) => {
                    tracing::warn!(dead_letter = %id, %why, "cannot be tried again");
                    fates.insert(*id, Err(why));
                }
            }
        }
        if let Some(kind) = Kind::named(kind).filter(|_| !deliveries.is_empty()) {
            kind.process(self.pipeline.clone(), Source::Replay, deliveries).await?;
        }
        while let Ok((id, outcome)) = outcomes.try_recv() {
            fates.insert(id, Ok(outcome));
        }
        Ok(fates)
    }
}

/// How many of these make up a batch; at the least one, where there is one.
fn fitting(bytes: impl Iterator<Item = i64>) -> usize {
    let mut sum = 0;
    let fits = bytes.take_while(|bytes| {
        sum += bytes;
        sum <= BYTES
    });
    fits.count().max(1)
}

/// What became of one dead letter; no outcome where its message holds no such event any more.
type Fate = Result<Option<Outcome>, Unreadable>;

impl Tally {
    fn count(&mut self, fate: &Fate) {
        self.matched += 1;
        *match fate {
            Ok(Some(Outcome::Stored { .. })) => &mut self.stored,
            Ok(Some(Outcome::Duplicate { .. })) => &mut self.duplicate,
            Ok(Some(Outcome::Rejected(_) | Outcome::RejectedBefore(_))) => &mut self.rejected,
            Ok(Some(Outcome::Ignored) | None) => &mut self.ignored,
            Err(_) => &mut self.unreadable,
        } += 1;
    }
}

/// The delivery as it was when it was rejected.
fn delivery(letter: Letter, becomes: Status, told: Told) -> Result<Delivery, Unreadable> {
    let Letter { record, line: _, attempt, payload } = letter;
    let nowhere = || Unreadable::Malformed("it does not say where it came from".to_owned());
    let (id, origin) = record.delivery().ok_or_else(nowhere)?;
    let kept_in = record.payload.kept_in();
    Ok(Delivery {
        id,
        payload: payload?,
        published_at: record.published_at(),
        received_at: record.received_at,
        origin,
        replays: Some(Replays { letter: record.id, position: record.position, attempt, kept_in, becomes }),
        receipt: Box::new(ReplayReceipt { letter: record.id, told }),
    })
}

type Told = mpsc::UnboundedSender<(Uuid, Option<Outcome>)>;

struct ReplayReceipt {
    letter: Uuid,
    told: Told,
}

impl Receipt for ReplayReceipt {
    fn settle(self: Box<Self>, mut outcomes: Vec<Outcome>) {
        // Nobody listens any more when the replay was given up.
        let _ = self.told.send((self.letter, outcomes.pop()));
    }
}
