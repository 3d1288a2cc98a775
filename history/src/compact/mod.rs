//! Raw JSON into files of the history.
//!
//! The way of a record: `plan` (which files, and how far each has come) → `chunk` (its records, in order) →
//! `judge` (by the rules of all product views, on all cores) → `slice` (gathered, as columns) → `write` (sorted,
//! into files, and committed). What one transaction commits are the records of each file up to some place: a run that
//! is killed has committed whole slices, and the next one goes on behind them.

mod chunk;
mod judge;
mod plan;
mod slice;
mod summary;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use purser::events::{EventKind as _, ProductView};
use purser::intake::files::{Object, Reporter};
use purser::shutdown::Shutdown;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::catalog;
use crate::store::Store;
use chunk::{End, File};
use judge::Judged;
use slice::Slice;
use write::Writing;

pub use summary::Summary;

/// How JSON is compacted.
#[derive(Clone)]
pub struct Compaction {
    /// Where files, ledger and dead letters are noted.
    pub pool: PgPool,
    /// Where the files go.
    pub store: Store,
    /// When to stop: what was read by then is committed.
    pub shutdown: Shutdown,
    /// Larger records are rejected.
    pub max_event_bytes: usize,
    /// What was said of all records.
    pub attributes: Arc<BTreeMap<String, String>>,
    /// What is held at once.
    pub limits: Limits,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
}

/// What is held at once. The defaults stay well below 512 MiB in all, on any number of cores.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of views that are committed at once. While they are, as many are gathered.
    pub views: usize,
    /// Bytes of dead letters that are.
    pub letters: usize,
    /// KiB of records that are kept from when their file was looked at until it is their turn, and not read again.
    pub kept: usize,
    /// Chunks of records that are judged at once.
    pub judges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Limits { views: 48 << 20, letters: 16 << 20, kept: 64 << 10, judges: cores.min(16) }
    }
}

/// Compacts the files, and returns when all that could be read is committed.
///
/// A file that cannot be read is told to the reporter and counted, and the others go on. When the process is told to
/// stop, what was read is committed, and the next run goes on behind it.
///
/// # Errors
/// When the database or the store does not do its part. What was committed by then stays; the next run goes on behind.
pub async fn compact(compaction: &Compaction, objects: Vec<Object>) -> anyhow::Result<Summary> {
    catalog::settle(&compaction.pool, &compaction.store).await?;
    let expired_before = expired_before(&compaction.pool).await?;
    let (sender, files) = mpsc::channel(plan::GROUP);
    let planning = AbortOnDropHandle::new(tokio::spawn(plan::plan(compaction.clone(), objects, sender)));
    let mut summary = Summary::default();
    let gathered = gather(compaction, expired_before, files, &mut summary).await;
    // Where nothing can be kept, the rest need not be looked at.
    gathered?;
    summary.add(planning.await.context("looking at the files panicked")??);
    summary.interrupted = compaction.shutdown.soft().is_cancelled();
    Ok(summary)
}

/// Views from before this are not kept any more.
async fn expired_before(pool: &PgPool) -> anyhow::Result<Option<DateTime<Utc>>> {
    let before = sqlx::query_scalar("SELECT before FROM expired WHERE kind = $1").bind(ProductView::NAME);
    Ok(before.fetch_optional(pool).await?)
}

async fn gather(
    compaction: &Compaction,
    expired_before: Option<DateTime<Utc>>,
    files: mpsc::Receiver<File>,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let mut judged = std::pin::pin!(judged(compaction, expired_before, files));
    let (mut writing, mut slice) = (Writing::new(compaction), Slice::new(expired_before));
    while let Some(chunk) = judged.next().await {
        let chunk = chunk.context("judging panicked")?;
        match slice.add(chunk)? {
            Some(End::Broken(notice)) => summary.failed(&*compaction.reporter, &notice),
            // Which of its records are what they were is not known: none of those at hand is committed.
            Some(End::Changed(notice)) => {
                summary.failed(&*compaction.reporter, &notice);
                summary.left += slice.leave();
                slice = Slice::new(expired_before);
            }
            Some(End::Whole | End::Stopped) | None => {}
        }
        if slice.is_full(compaction.limits) {
            let full = std::mem::replace(&mut slice, Slice::new(expired_before));
            writing.next(full, summary).await?;
        }
    }
    writing.next(slice, summary).await?;
    writing.finish(summary).await
}

/// All records of the files, judged; those of each file in their order.
fn judged(
    compaction: &Compaction,
    expired_before: Option<DateTime<Utc>>,
    files: mpsc::Receiver<File>,
) -> impl Stream<Item = Result<Judged, tokio::task::JoinError>> {
    let (judges, max_bytes) = (compaction.limits.judges, compaction.max_event_bytes);
    let files = stream::unfold(files, async |mut files| Some((files.recv().await?, files)));
    let (compaction, readers) = (compaction.clone(), judges.div_ceil(4));
    let chunks = files.flat_map_unordered(readers, move |file| chunk::chunks(file, &compaction).boxed());
    let judge = move |chunk| tokio::task::spawn_blocking(move || judge::judge(chunk, max_bytes, expired_before));
    chunks.map(judge).buffered(judges + 2)
}
