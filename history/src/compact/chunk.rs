//! The records of a file, a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, Stream};
use purser::intake::files::{Content, Kept, Object, Record, Records};
use purser::shutdown::Shutdown;

use super::Compaction;

/// A content, for as long as it is not left to somebody else.
pub(super) struct Input {
    pub(super) content: Content,
    left: AtomicBool,
}

impl Input {
    pub(super) fn new(content: Content) -> Arc<Self> {
        Arc::new(Input { content, left: AtomicBool::new(false) })
    }

    /// No more of it is to be committed in this run. `false` when it was left before.
    pub(super) fn leave(&self) -> bool {
        !self.left.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

/// A file that is to be read.
pub(super) struct File {
    pub(super) input: Arc<Input>,
    pub(super) object: Object,
    /// All records before this one are committed.
    pub(super) begin: u64,
    /// All of them, where they are at hand.
    pub(super) kept: Option<Kept>,
}

/// Records of a file that follow each other.
pub(super) struct Chunk {
    pub(super) input: Arc<Input>,
    /// The position of the first.
    pub(super) begin: u64,
    pub(super) records: Vec<Record>,
    /// Nothing comes after this.
    pub(super) end: Option<End>,
}

/// How reading a file ended.
pub(super) enum End {
    /// All of its records were read.
    Whole,
    /// It is not what it was when it was looked at. What there is to say about that.
    Changed(String),
    /// It could not be read to its end. What there is to say about that.
    Broken(String),
    /// The process was told to stop, or it is left to somebody else.
    Stopped,
}

/// The most records and, but for the last of them, bytes of a chunk: what is wrong with tiny records takes a thousand
/// times their size.
const RECORDS: usize = 512;
const BYTES: usize = 128 << 10;

/// The records of a file from where it begins, in order. The last chunk has none.
pub(super) fn chunks(file: File, compaction: &Compaction) -> impl Stream<Item = Chunk> + Send + use<> {
    let (limit, shutdown) = (compaction.max_event_bytes, compaction.shutdown.clone());
    let source = match file.kept {
        Some(kept) => Source::Kept(kept),
        None => Source::Read(Some(file.object.records(limit, &shutdown))),
    };
    let reading = Reading {
        input: file.input,
        begin: file.begin,
        position: 0,
        records: Vec::new().into_iter(),
        source,
        shutdown,
        ended: false,
    };
    stream::unfold(reading, async |mut reading| Some((reading.next().await?, reading)))
}

enum Source {
    Kept(Kept),
    Read(Option<Records>),
}

struct Reading {
    input: Arc<Input>,
    begin: u64,
    /// Of the first of `records`.
    position: u64,
    records: std::vec::IntoIter<Record>,
    source: Source,
    shutdown: Shutdown,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Chunk> {
        while !self.ended {
            if self.shutdown.soft().is_cancelled() || self.input.is_left() {
                return Some(self.end(End::Stopped));
            }
            if let Some(chunk) = self.cut() {
                return Some(chunk);
            }
            match self.more().await {
                Some(records) => self.records = records.into_iter(),
                None => {
                    let end = self.finish().await;
                    return Some(self.end(end));
                }
            }
        }
        None
    }

    /// The next of the records at hand, without those that are committed.
    fn cut(&mut self) -> Option<Chunk> {
        let committed = self.begin.saturating_sub(self.position).min(self.records.len() as u64);
        self.records.by_ref().take(usize::try_from(committed).ok()?).for_each(drop);
        self.position += committed;
        let (begin, mut records, mut bytes) = (self.position, Vec::new(), 0);
        while records.len() < RECORDS && bytes < BYTES {
            let Some(record) = self.records.next() else { break };
            bytes += record.kept();
            records.push(record);
        }
        self.position += records.len() as u64;
        (!records.is_empty()).then(|| Chunk { input: Arc::clone(&self.input), begin, records, end: None })
    }

    async fn more(&mut self) -> Option<Vec<Record>> {
        match &mut self.source {
            Source::Kept(kept) => Some(std::mem::take(&mut kept.records)).filter(|records| !records.is_empty()),
            Source::Read(records) => records.as_mut()?.next().await,
        }
    }

    async fn finish(&mut self) -> End {
        let Source::Read(records) = &mut self.source else { return End::Whole };
        let Some(records) = records.take() else { return End::Whole };
        let content = &self.input.content;
        let name = &content.name;
        match records.finish().await {
            Ok(contents) if contents.sha256 == content.sha256 => End::Whole,
            Ok(_) => End::Changed(format!("{name}: it was changed while it was read: compact it again")),
            Err(_) if self.shutdown.soft().is_cancelled() => End::Stopped,
            Err(error) => End::Broken(format!("{name}: cannot be read: {error:#}")),
        }
    }

    fn end(&mut self, end: End) -> Chunk {
        self.ended = true;
        Chunk { input: Arc::clone(&self.input), begin: self.position, records: Vec::new(), end: Some(end) }
    }
}
