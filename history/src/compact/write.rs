//! Slices into files, and files into the catalog.

use std::time::Duration;

use anyhow::{Context as _, bail};
use datafusion::arrow::array::RecordBatch;
use purser::events::{EventKind as _, ProductView};
use purser::intake::Source;
use purser::intake::files::Counts;
use purser::intake::files::ingested;
use purser::pipeline::elsewhere::Entry;
use purser::pipeline::{Outcome, Unavailable};
use tokio_util::task::AbortOnDropHandle;

use super::slice::Slice;
use super::{Compaction, Summary};
use crate::catalog::{self, File};
use crate::views::{Writer, parts};

/// One slice is written while the next is gathered; they commit in their order.
pub(super) struct Writing {
    compaction: Compaction,
    slice: Option<AbortOnDropHandle<anyhow::Result<Summary>>>,
}

impl Writing {
    pub(super) fn new(compaction: &Compaction) -> Self {
        Writing { compaction: compaction.clone(), slice: None }
    }

    /// Waits for the slice before, and begins to write this one.
    pub(super) async fn next(&mut self, slice: Slice, summary: &mut Summary) -> anyhow::Result<()> {
        self.finish(summary).await?;
        if slice.is_left() {
            summary.left += slice.leave();
        } else if !slice.is_empty() {
            let written = write(self.compaction.clone(), slice);
            self.slice = Some(AbortOnDropHandle::new(tokio::spawn(written)));
        }
        Ok(())
    }

    /// Waits for the slice that is being written.
    pub(super) async fn finish(&mut self, summary: &mut Summary) -> anyhow::Result<()> {
        if let Some(slice) = self.slice.take() {
            let written = slice.await.context("writing panicked")??;
            summary.add(written);
        }
        Ok(())
    }
}

/// Writes the files of a slice, and commits it.
async fn write(compaction: Compaction, mut slice: Slice) -> anyhow::Result<Summary> {
    let rows = slice.rows.take()?;
    let files = write_files(&compaction, rows).await?;
    let committed = commit(&compaction, &slice, &files).await;
    match committed {
        Ok(Some(counts)) => {
            compaction.reporter.decided(slice.records);
            compaction.reporter.weighed(slice.bytes);
            let bytes_out = files.iter().map(|file| file.bytes.unsigned_abs()).sum();
            let compacted = slice.advances().iter().filter(|file| file.finished).count() as u64;
            let (bytes_in, written) = (slice.bytes, files.len() as u64);
            Ok(Summary { compacted, counts, bytes_in, bytes_out, written, ..Summary::default() })
        }
        Ok(None) => {
            discard(&compaction, &files).await;
            compaction.reporter.notice("somebody else works on the same files: what they have not committed is left");
            Ok(Summary { left: slice.leave(), ..Summary::default() })
        }
        Err(error) => Err(error),
    }
}

/// One file after the other: there may be as many as days since the year 2000.
async fn write_files(compaction: &Compaction, rows: RecordBatch) -> anyhow::Result<Vec<File>> {
    let parts = tokio::task::spawn_blocking(move || parts(&rows)).await.context("sorting panicked")??;
    let mut files = Vec::with_capacity(parts.len());
    for part in parts {
        let mut writer = Writer::begin(&compaction.store, &part.platform, part.day)?;
        for begin in (0..part.rows.num_rows()).step_by(ROWS) {
            let rows = part.rows.slice(begin, ROWS.min(part.rows.num_rows() - begin));
            writer.push(&rows).await?;
            tokio::task::yield_now().await;
        }
        files.push(writer.finish().await?);
    }
    Ok(files)
}

/// Rows that are encoded before others get their turn.
const ROWS: usize = 1 << 15;

/// What nobody knows of need not be kept. That it stays for now is no harm.
async fn discard(compaction: &Compaction, files: &[File]) {
    for file in files {
        if let Err(error) = compaction.store.blob().delete(&file.path).await {
            tracing::warn!(%error, path = file.path, "cannot be deleted");
        }
    }
}

/// How long to wait before a commit is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Commits a slice, as soon as the database lets it. `None` when somebody else works on its files.
async fn commit(compaction: &Compaction, slice: &Slice, files: &[File]) -> anyhow::Result<Option<Counts>> {
    // Known right before the commit is sent: whether its answer arrives or not, this stands as soon as the ledger
    // has the slice.
    let (mut pending, mut waits) = (None, false);
    loop {
        match attempt(compaction, slice, files, &mut pending).await {
            Ok(Ended::Committed) => return Ok(pending),
            Ok(Ended::Busy) => return Ok(None),
            Ok(Ended::Expired) => bail!("views expired in the meantime: run it again"),
            Err(Unavailable::Database(error)) if may_pass(&error) => {
                if !std::mem::replace(&mut waits, true) {
                    tracing::warn!(%error, "holding until Postgres works again");
                }
                let pause = compaction.shutdown.soft().run_until_cancelled(tokio::time::sleep(PAUSE));
                pause.await.context("stopped before Postgres worked again")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

enum Ended {
    Committed,
    Busy,
    Expired,
}

async fn attempt(
    compaction: &Compaction,
    slice: &Slice,
    files: &[File],
    pending: &mut Option<Counts>,
) -> Result<Ended, Unavailable> {
    let mut tx = compaction.pool.begin().await?;
    let Some(entry) = Entry::open::<ProductView>(&mut tx, slice.id, Source::File).await? else {
        return Ok(Ended::Committed);
    };
    if entry.expired_before != slice.expired_before {
        return Ok(Ended::Expired);
    }
    if !ingested::advance(&mut tx, ProductView::NAME, &slice.advances()).await? {
        return Ok(Ended::Busy);
    }
    catalog::add(&mut tx, files).await?;
    let letters = entry.close(&mut tx, slice.stored, slice.ignored, &slice.letters).await?;
    *pending = Some(counts(slice, &letters));
    tx.commit().await?;
    Ok(Ended::Committed)
}

fn counts(slice: &Slice, letters: &[Outcome]) -> Counts {
    let mut counts = Counts { stored: slice.stored, ignored: slice.ignored, ..Counts::default() };
    letters.iter().for_each(|letter| counts.add(letter));
    counts
}

/// Whether an error says something about now, and not about what was to be done: the server goes away or comes back,
/// another transaction was first, something takes too long.
fn may_pass(error: &sqlx::Error) -> bool {
    const PASSING: [&str; 5] = ["08", "40", "53", "55", "57"];
    match error {
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class)))
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => true,
        _ => false,
    }
}
