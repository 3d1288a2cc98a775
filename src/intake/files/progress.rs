//! How far each file has come, and what became of its records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Reporter;
use super::ingested::{self, Sha256};
use crate::intake::Receipt;
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Reason;

/// How many events went which way.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// They are rows now.
    pub stored: u64,
    /// They were decided before, with the same content.
    pub duplicate: u64,
    /// They are dead letters now.
    pub rejected: BTreeMap<Reason, u64>,
    /// They were dead letters before.
    pub rejected_before: BTreeMap<Reason, u64>,
    /// Records that hold no event of the kind.
    pub ignored: u64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Stored { .. } => self.stored += 1,
            Outcome::Duplicate { .. } => self.duplicate += 1,
            Outcome::Rejected(letter) => *self.rejected.entry(letter.reason).or_default() += 1,
            Outcome::RejectedBefore(letter) => *self.rejected_before.entry(letter.reason).or_default() += 1,
            Outcome::Ignored => self.ignored += 1,
        }
    }

    /// Counts what is counted there.
    pub fn add_all(&mut self, other: &Counts) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.ignored += other.ignored;
        for (all, more) in [(&mut self.rejected, &other.rejected), (&mut self.rejected_before, &other.rejected_before)]
        {
            more.iter().for_each(|(reason, count)| *all.entry(*reason).or_default() += count);
        }
    }
}

/// A file that is being ingested.
pub(super) struct Tracker {
    sha256: Sha256,
    records: u64,
    state: Mutex<State>,
}

struct State {
    /// Every record before this one is settled.
    position: u64,
    /// Settled ones behind it.
    ahead: BTreeSet<u64>,
    phase: Phase,
    saved: Option<Saved>,
}

#[derive(PartialEq)]
enum Phase {
    Reading,
    /// All of it was read, and it was what it should be.
    Read,
    /// It was something else: what was settled was not this content.
    Changed,
}

/// What `ingested_files` is told of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) sha256: Sha256,
    pub(super) position: u64,
    pub(super) finished: bool,
}

impl Tracker {
    pub(super) fn new(sha256: Sha256, records: u64, position: u64) -> Self {
        let state = State { position, ahead: BTreeSet::new(), phase: Phase::Reading, saved: None };
        Tracker { sha256, records, state: Mutex::new(state) }
    }

    /// The file was read to its end, and was what it should be.
    pub(super) fn read(&self) {
        lock(&self.state).phase = Phase::Read;
    }

    /// The file was changed while it was read: its records are to be read anew.
    pub(super) fn changed(&self) {
        lock(&self.state).phase = Phase::Changed;
    }

    fn settled(&self, position: u64) {
        let state = &mut *lock(&self.state);
        state.ahead.insert(position);
        while state.ahead.remove(&state.position) {
            state.position += 1;
        }
    }

    /// What is to be saved, if it is not saved yet.
    fn unsaved(&self) -> Option<Saved> {
        let state = lock(&self.state);
        let position = if state.phase == Phase::Changed { 0 } else { state.position };
        let finished = state.phase == Phase::Read && position >= self.records;
        let now = Saved { sha256: self.sha256, position, finished };
        (state.saved != Some(now)).then_some(now)
    }
}

/// Everything that is being ingested.
pub(super) struct Progress {
    kind: &'static str,
    trackers: Mutex<Vec<Arc<Tracker>>>,
    counts: Mutex<Counts>,
    reporter: Arc<dyn Reporter>,
}

impl Progress {
    pub(super) fn new(kind: &'static str, reporter: Arc<dyn Reporter>) -> Self {
        Progress { kind, trackers: Mutex::default(), counts: Mutex::default(), reporter }
    }

    pub(super) fn track(&self, tracker: Tracker) -> Arc<Tracker> {
        let tracker = Arc::new(tracker);
        lock(&self.trackers).push(Arc::clone(&tracker));
        tracker
    }

    pub(super) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Writes down how far every file has come.
    pub(super) async fn save(&self, pool: &PgPool) -> sqlx::Result<()> {
        let trackers = lock(&self.trackers).clone();
        let unsaved: Vec<_> = trackers.iter().filter_map(|tracker| Some((tracker, tracker.unsaved()?))).collect();
        if unsaved.is_empty() {
            return Ok(());
        }
        let saved: Vec<Saved> = unsaved.iter().map(|(_, saved)| *saved).collect();
        ingested::save(pool, self.kind, &saved).await?;
        for (tracker, saved) in unsaved {
            lock(&tracker.state).saved = Some(saved);
        }
        lock(&self.trackers).retain(|tracker| !lock(&tracker.state).saved.is_some_and(|saved| saved.finished));
        Ok(())
    }
}

const SAVE_EVERY: Duration = Duration::from_secs(1);
/// One connection, or more, may have been broken by work that was given up.
const LAST_ATTEMPTS: usize = 3;

/// Saves now and then, until it is told that all is done.
pub(super) struct Saver {
    progress: Arc<Progress>,
    pool: PgPool,
    done: DropGuard,
    saving: JoinHandle<()>,
}

impl Saver {
    pub(super) fn start(progress: Arc<Progress>, pool: PgPool) -> Self {
        let done = CancellationToken::new();
        let saving = save_now_and_then(Arc::clone(&progress), pool.clone(), done.clone());
        Saver { progress, pool, done: done.drop_guard(), saving: tokio::spawn(saving) }
    }

    /// Saves for the last time. What is being saved is waited for: it must not come after.
    pub(super) async fn finish(self) -> sqlx::Result<()> {
        drop(self.done);
        let _ = self.saving.await;
        for _ in 1..LAST_ATTEMPTS {
            if self.progress.save(&self.pool).await.is_ok() {
                return Ok(());
            }
        }
        self.progress.save(&self.pool).await
    }
}

async fn save_now_and_then(progress: Arc<Progress>, pool: PgPool, done: CancellationToken) {
    while done.run_until_cancelled(tokio::time::sleep(SAVE_EVERY)).await.is_some() {
        if let Err(error) = progress.save(&pool).await {
            tracing::warn!(%error, "cannot note how far the files have come: trying again");
        }
    }
}

/// Settles a record of a file.
pub(super) struct FileReceipt {
    pub(super) progress: Arc<Progress>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) position: u64,
    /// Its share of the memory for records in flight.
    pub(super) _share: OwnedSemaphorePermit,
}

impl Receipt for FileReceipt {
    fn settle(self: Box<Self>, outcomes: Vec<Outcome>) {
        let mut counts = lock(&self.progress.counts);
        outcomes.iter().for_each(|outcome| counts.add(outcome));
        drop(counts);
        self.tracker.settled(self.position);
        self.progress.reporter.decided(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(position: u64, finished: bool) -> Option<Saved> {
        Some(Saved { sha256: [0; 32], position, finished })
    }

    #[test]
    fn the_position_is_the_lowest_that_is_not_settled() {
        let tracker = Tracker::new([0; 32], 5, 1);
        tracker.settled(3);
        assert_eq!(tracker.unsaved(), saved(1, false));
        tracker.settled(1);
        assert_eq!(tracker.unsaved(), saved(2, false));
        tracker.settled(2);
        tracker.settled(4);
        assert_eq!(tracker.unsaved(), saved(5, false));
        tracker.read();
        assert_eq!(tracker.unsaved(), saved(5, true));
    }

    #[test]
    fn a_file_that_changed_begins_anew() {
        let tracker = Tracker::new([0; 32], 1, 0);
        tracker.settled(0);
        tracker.changed();
        assert_eq!(tracker.unsaved(), saved(0, false));
    }
}
