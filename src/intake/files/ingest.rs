//! Files into the pipeline: read once to know what they are, and once more for their records.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::ingested::{self, Ingested, Place, found};
use super::progress::{FileReceipt, Progress, Saver, Tracker};
use super::{Again, Content, Contents, Object, Record, Summary};
use crate::events::Kind;
use crate::intake::{Delivery, Source};
use crate::pipeline::Pipeline;
use crate::pipeline::worker::BatchLimits;

/// What a back-fill has to say while it runs.
pub trait Reporter: Send + Sync {
    /// Something that whoever started it wants to know.
    fn notice(&self, text: &str);
    /// So many more records are to be decided.
    fn found(&self, records: u64);
    /// So many more are.
    fn decided(&self, records: u64);
    /// They were so many more bytes. Told by those who want to be known for their speed.
    fn weighed(&self, _bytes: u64) {}
}

/// How files are ingested.
pub struct Ingestion {
    /// Where the records go.
    pub pipeline: Pipeline,
    /// In what batches.
    pub limits: BatchLimits,
    /// What is done with a content that was ingested before.
    pub again: Again,
    /// What was said of all records.
    pub attributes: Arc<BTreeMap<String, String>>,
}

/// Payload bytes that may be on their way at once, and what a record costs beside its payload, in KiB.
const IN_FLIGHT: (usize, u32) = (64 << 10, 1);
/// So many files, or bytes, are looked at before the first of them is fed.
const GROUP: (usize, u64) = (256, 64 << 20);
/// More files that were ingested before are only counted.
const ALREADY_NAMED: u64 = 10;

/// Feeds every record of the files into the pipeline, and returns when all are decided and committed.
///
/// A file that cannot be read is told to `reporter` and counted, and the others go on. When the process
/// is told to stop, what was read is decided, and the next run goes on behind it.
///
/// # Errors
/// When the database cannot be asked what was ingested before, or told what was ingested now, or the
/// process gives up before what was read is decided.
pub async fn ingest(
    kind: Kind,
    ingestion: &Ingestion,
    objects: Vec<Object>,
    reporter: Arc<dyn Reporter>,
) -> anyhow::Result<Summary> {
    let pool = &ingestion.pipeline.pool;
    let progress = Arc::new(Progress::new(kind.name, Arc::clone(&reporter)));
    let (deliveries, received) = mpsc::channel(ingestion.limits.deliveries);
    let (pipeline, limits) = (ingestion.pipeline.clone(), ingestion.limits);
    let worker = async move { kind.decide(pipeline, Source::File, received, limits).await };
    let worker = AbortOnDropHandle::new(tokio::spawn(worker));
    let saver = Saver::start(Arc::clone(&progress), pool.clone());
    let room = Arc::new(Semaphore::new(IN_FLIGHT.0));
    let mut feeder = Feeder { kind, ingestion, reporter, room, progress, deliveries, summary: Summary::default() };
    let fed = feeder.feed(objects).await;
    let Feeder { progress, deliveries, mut summary, .. } = feeder;
    drop(deliveries);
    let worked = worker.await.context("the worker panicked")?;
    saver.finish().await.context("cannot note how far the files have come")?;
    worked?;
    fed?;
    summary.counts = progress.counts();
    Ok(summary)
}

struct Feeder<'i> {
    kind: Kind,
    ingestion: &'i Ingestion,
    reporter: Arc<dyn Reporter>,
    /// KiB that may still be taken in.
    room: Arc<Semaphore>,
    progress: Arc<Progress>,
    deliveries: mpsc::Sender<Delivery>,
    summary: Summary,
}

impl Feeder<'_> {
    async fn feed(&mut self, objects: Vec<Object>) -> anyhow::Result<()> {
        let (mut group, mut bytes, mut objects) = (Vec::new(), 0, objects.into_iter().peekable());
        while let Some(object) = objects.next() {
            match object.survey(&self.ingestion.pipeline.shutdown).await {
                Ok(contents) => {
                    bytes += contents.bytes;
                    group.push((object, contents));
                }
                Err(_) if self.is_stopping() => break,
                Err(error) => self.failed(&object, &error.into()),
            }
            if group.len() >= GROUP.0 || bytes >= GROUP.1 || objects.peek().is_none() {
                self.feed_group(std::mem::take(&mut group)).await?;
                bytes = 0;
            }
        }
        self.summary.interrupted = self.is_stopping();
        Ok(())
    }

    async fn feed_group(&mut self, mut group: Vec<(Object, Contents)>) -> anyhow::Result<()> {
        let pool = &self.ingestion.pipeline.pool;
        let changed = ingested::changed(pool, self.kind.name, &found(&group)).await?;
        group.retain(|(object, _)| !changed.contains(&*object.name) || self.may_be_fed_changed(object));
        let mut known = ingested::register(pool, self.kind.name, Place::Table, &found(&group)).await?;
        for (object, contents) in &group {
            // A content that stands twice in this run is fed once.
            match known.remove(&contents.sha256) {
                Some(ingested) if self.may_be_fed(&ingested) => self.feed_file(object, contents, &ingested).await,
                Some(ingested) if self.is_elsewhere(&ingested) => self.elsewhere(object, &ingested),
                Some(ingested) => self.already(object, &ingested),
                None => self.summary.already += 1,
            }
            if self.is_stopping() {
                break;
            }
        }
        Ok(())
    }

    fn may_be_fed_changed(&mut self, object: &Object) -> bool {
        let before = format!("{}: held other bytes when it was ingested before", object.name);
        if self.kind.natural_key || self.ingestion.again == Again::Judge {
            self.reporter.notice(&before);
            return true;
        }
        self.summary.changed += 1;
        self.reporter.notice(&format!("{before}; what stood there already would count twice: --again ingests it"));
        false
    }

    /// Whether a content is new, or may be judged again: not where its events stand in the history, and would be stored
    /// in their table as well.
    fn may_be_fed(&self, ingested: &Ingested) -> bool {
        let is_gone = self.kind.elsewhere.is_some() && ingested.ids_may_be_gone;
        ingested.place == Place::Table && !is_gone && (!ingested.finished || self.ingestion.again == Again::Judge)
    }

    /// Whether what was to be fed may not be.
    fn is_elsewhere(&self, ingested: &Ingested) -> bool {
        self.ingestion.again == Again::Judge || (ingested.place == Place::Table && !ingested.finished)
    }

    fn elsewhere(&mut self, object: &Object, ingested: &Ingested) {
        self.summary.elsewhere += 1;
        let why = match ingested.place {
            Place::History => "its views are in the history",
            Place::Table => "views of it were moved into the history so long ago that their ids are not kept any more",
        };
        self.reporter.notice(&format!("{}: not judged again: {why}; they would count twice", object.name));
    }

    fn already(&mut self, object: &Object, ingested: &Ingested) {
        self.summary.already += 1;
        if self.summary.already <= ALREADY_NAMED {
            let as_other = ingested.as_other(object);
            let place = match ingested.place {
                Place::Table => "ingested",
                Place::History => "in the history",
            };
            self.reporter.notice(&format!("{}: already {place}{as_other}", object.name));
        }
    }

    async fn feed_file(&mut self, object: &Object, contents: &Contents, ingested: &Ingested) {
        if contents.cut_off {
            self.reporter.notice(&format!("{}: the array is not closed; is the file whole?", object.name));
        }
        let begin = if ingested.finished { 0 } else { ingested.committed_position };
        self.reporter.found(contents.records.saturating_sub(begin));
        let tracker = self.progress.track(Tracker::new(contents.sha256, contents.records, begin));
        let attributes = Arc::clone(&self.ingestion.attributes);
        let (name, published_at) = (Arc::clone(&object.name), ingested.first_ingested_at);
        let file = FileInFlight { content: Content::new(name, contents.sha256, published_at, attributes), tracker };
        match self.feed_records(object, &file, begin).await {
            Ok(()) => self.summary.ingested += 1,
            Err(_) if self.is_stopping() => {}
            Err(error) => self.failed(object, &error),
        }
    }

    async fn feed_records(&self, object: &Object, file: &FileInFlight, begin: u64) -> anyhow::Result<()> {
        let Pipeline { max_event_bytes, shutdown, .. } = &self.ingestion.pipeline;
        let mut records = object.records(*max_event_bytes, shutdown);
        let mut positions = 0..;
        while let Some(chunk) = records.next().await {
            for (record, position) in
                chunk.into_iter().zip(positions.by_ref()).filter(|(_, position)| *position >= begin)
            {
                self.deliver(file, position, record).await?;
            }
        }
        let contents = records.finish().await?;
        if contents.sha256 != file.content.sha256 {
            file.tracker.changed();
        }
        ensure!(contents.sha256 == file.content.sha256, "it was changed while it was read: ingest it again");
        file.tracker.read();
        Ok(())
    }

    async fn deliver(&self, file: &FileInFlight, position: u64, record: Record) -> anyhow::Result<()> {
        let shutdown = &self.ingestion.pipeline.shutdown;
        let kib = u32::try_from(record.kept() >> 10).unwrap_or(u32::MAX).saturating_add(IN_FLIGHT.1);
        let share = Arc::clone(&self.room).acquire_many_owned(kib.min(IN_FLIGHT.0 as u32));
        let share = shutdown.soft().run_until_cancelled(share).await.context("told to stop")??;
        let receipt = FileReceipt {
            progress: Arc::clone(&self.progress),
            tracker: Arc::clone(&file.tracker),
            position,
            _share: share,
        };
        let delivery = file.content.delivery(position, record, Box::new(receipt));
        let sent = shutdown.soft().run_until_cancelled(self.deliveries.send(delivery)).await.context("told to stop")?;
        sent.ok().context("the worker has ended")
    }

    fn failed(&mut self, object: &Object, error: &anyhow::Error) {
        self.summary.failed += 1;
        self.reporter.notice(&format!("{}: cannot be read: {error:#}", object.name));
    }

    fn is_stopping(&self) -> bool {
        self.ingestion.pipeline.shutdown.soft().is_cancelled()
    }
}

struct FileInFlight {
    content: Content,
    tracker: Arc<Tracker>,
}
