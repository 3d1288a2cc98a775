//! The index of dead letters out of the blob store alone: records, and what has become of them.
//!
//! Changes of status are read first, so that nothing which was discarded is open even for a moment. Whatever
//! the database knows better, a newer attempt or a later status, stays as it is; so this may run beside
//! workers, and again.

mod changes;
mod letters;
mod line;
mod rollup;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};
use uuid::Uuid;

use super::FOLDER;
use crate::blob::Blob;
use crate::pipeline::dead_letter::PAYLOADS;
use crate::shutdown::Shutdown;
use line::{Change, Letter, Unusable};

/// Objects that are read ahead.
const AHEAD: usize = 4;
/// A larger object was not written here.
const OBJECT_BYTES: u64 = 256 << 20;
/// Lines that are written to the database at once.
const LINES: usize = 1000;
/// Only one process rebuilds at a time: the key of an advisory lock.
const LOCK: i64 = 0x7075_7273_6572_0e1d;

/// What a rebuild has to say while it runs.
pub trait Observer: Send + Sync {
    /// Something that could not be used.
    fn notice(&self, text: &str);
    /// What was done so far.
    fn progress(&self, so_far: &Reindexed);
}

/// What was found, and what of it the index lacked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reindexed {
    /// Objects that were read.
    pub objects: u64,
    /// Records that were read.
    pub records: u64,
    /// Changes of status that were read.
    pub changes: u64,
    /// Dead letters that the index did not have.
    pub added: u64,
    /// Dead letters of which the index had an older attempt.
    pub renewed: u64,
    /// Dead letters that the index had as open, and that are not.
    pub closed: u64,
    /// Changes of dead letters of which there is no record.
    pub orphans: u64,
    /// Lines that are no records, and objects that are not ours.
    pub unusable: u64,
    /// Payloads with an object of their own that is not there.
    pub payloads_missing: u64,
    /// It was told to stop before the end.
    pub interrupted: bool,
}

/// An object that holds lines.
pub(super) struct Segment {
    id: Uuid,
    object: String,
    bytes: Bytes,
}

/// Rebuilds the index of what is in the blob store.
///
/// # Errors
/// When the database or the blob store is away, or somebody else rebuilds. What was done by then stays, and
/// the next run goes on.
pub async fn reindex(
    pool: &PgPool,
    blob: &Blob,
    shutdown: &Shutdown,
    observer: &dyn Observer,
) -> anyhow::Result<Reindexed> {
    let mut conn = pool.acquire().await.context("the database cannot be asked")?;
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut *conn).await?;
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut *conn).await?;
    ensure!(alone, "somebody else is rebuilding the index");
    let mut rebuild = Rebuild { conn, blob, shutdown, observer, done: Reindexed::default() };
    let rebuilt = rebuild.run().await;
    let Rebuild { conn, done, .. } = rebuild;
    // The lock and the table of changes go with the connection.
    let closed = conn.detach().close().await;
    rebuilt?;
    closed?;
    Ok(done)
}

struct Rebuild<'r> {
    conn: PoolConnection<Postgres>,
    blob: &'r Blob,
    shutdown: &'r Shutdown,
    observer: &'r dyn Observer,
    done: Reindexed,
}

impl Rebuild<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        changes::prepare(&mut self.conn).await?;
        self.read(true).await?;
        self.read(false).await?;
        if !self.is_stopping() {
            self.done.closed += changes::close(&mut self.conn).await?;
            self.done.orphans = changes::orphans(&mut self.conn).await?;
        }
        rollup::repair(&mut self.conn).await?;
        self.done.interrupted = self.is_stopping();
        Ok(())
    }

    /// Reads every object with changes of status, or every one with records.
    async fn read(&mut self, changes: bool) -> anyhow::Result<()> {
        let blob = self.blob.clone();
        let wanted = blob.list(FOLDER).try_filter(move |(object, _)| std::future::ready(is_of(object, changes)));
        let ahead = wanted.map(|found| {
            let blob = blob.clone();
            async move { fetch(&blob, found?).await }
        });
        let mut segments = std::pin::pin!(ahead.buffered(AHEAD));
        while let Some(segment) = segments.next().await {
            if self.is_stopping() {
                return Ok(());
            }
            match segment? {
                Ok(segment) if changes => self.fold(&segment).await?,
                Ok(segment) => self.index(&segment).await?,
                Err(foreign) => self.unusable(&foreign),
            }
            self.observer.progress(&self.done);
        }
        Ok(())
    }

    async fn fold(&mut self, segment: &Segment) -> anyhow::Result<()> {
        let changes: Vec<Change> = self.lines(segment, Change::read).into_iter().map(|(change, _)| change).collect();
        self.done.changes += changes.len() as u64;
        changes::remember(&mut self.conn, segment, &changes).await?;
        Ok(())
    }

    async fn index(&mut self, segment: &Segment) -> anyhow::Result<()> {
        let letters = self.lines(segment, Letter::read);
        for letters in letters.chunks(LINES) {
            self.look_for_payloads(letters).await?;
            let (added, renewed) = letters::save(&mut self.conn, segment, letters).await?;
            self.done.records += letters.len() as u64;
            self.done.added += added;
            self.done.renewed += renewed;
            self.observer.progress(&self.done);
        }
        Ok(())
    }

    /// The lines of a segment that can be used, with their numbers, from 1.
    fn lines<T>(&mut self, segment: &Segment, read: fn(&[u8]) -> Result<T, Unusable>) -> Vec<(T, i32)> {
        self.done.objects += 1;
        let mut usable = Vec::new();
        for (number, line) in (1..).zip(segment.bytes.split(|byte| *byte == b'\n')) {
            match read(line) {
                _ if line.is_empty() => {}
                Ok(line) => usable.push((line, number)),
                Err(why) => self.unusable(&format!("{}, line {number}: {why}", segment.object)),
            }
        }
        usable
    }

    async fn look_for_payloads(&mut self, letters: &[(Letter, i32)]) -> anyhow::Result<()> {
        for (letter, _) in letters {
            let Some(object) = &letter.payload_object else { continue };
            if !self.blob.has(object).await? {
                self.done.payloads_missing += 1;
                self.observer.notice(&format!("{object}: the payload of dead letter {} is not there", letter.id));
            }
        }
        Ok(())
    }

    fn unusable(&mut self, text: &str) {
        self.done.unusable += 1;
        self.observer.notice(text);
    }

    fn is_stopping(&self) -> bool {
        self.shutdown.soft().is_cancelled()
    }
}

/// Changes stand in a folder of their own, and so do large payloads; everything else is records.
fn is_of(object: &str, changes: bool) -> bool {
    let is_change = object.starts_with(&format!("{FOLDER}/status/"));
    !object.starts_with(&format!("{PAYLOADS}/")) && is_change == changes
}

/// Reads an object, unless it is none that was written here: then it says why.
async fn fetch(blob: &Blob, (object, bytes): (String, u64)) -> anyhow::Result<Result<Segment, String>> {
    let name = object.rsplit('/').next().and_then(|name| name.strip_suffix(".ndjson"));
    let Some(id) = name.and_then(|name| Uuid::try_parse(name).ok()) else {
        return Ok(Err(format!("{object}: its name is not one that is given here")));
    };
    if bytes > OBJECT_BYTES {
        return Ok(Err(format!("{object}: it is larger than anything that is written here")));
    }
    let bytes = blob.get(&object).await.with_context(|| format!("{object} cannot be read"))?;
    Ok(Ok(Segment { id, object, bytes }))
}

/// Has the index know an object. One that it knows stays as it is.
async fn register(conn: &mut PgConnection, segment: &Segment) -> sqlx::Result<()> {
    let created =
        segment.id.get_timestamp().map(|time| Duration::new(time.to_unix().0, time.to_unix().1).as_secs_f64());
    sqlx::query(
        "INSERT INTO dead_letter_segments (id, object, created_at, shipped_at)
         VALUES ($1, $2, coalesce(to_timestamp($3), now()), coalesce(to_timestamp($3), now()))
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(segment.id)
    .bind(&segment.object)
    .bind(created)
    .execute(conn)
    .await?;
    Ok(())
}
