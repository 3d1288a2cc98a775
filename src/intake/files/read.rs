//! A file read to its end: its records, and what it is.

use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::csv::Rows;
use super::decompress::first_bytes;
use super::form::Form;
use super::record::Record;
use super::scanner::Scanner;
use super::source::Object;
use crate::shutdown::Shutdown;

/// What a file turned out to hold, once it was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Hash of the decompressed bytes: what makes two files the same.
    pub sha256: [u8; 32],
    /// How many bytes these are.
    pub bytes: u64,
    /// How many records it holds.
    pub records: u64,
    /// It begins an array and does not end it: what followed is missing.
    pub cut_off: bool,
}

/// The records of a file on their way, read by a thread of their own.
pub struct Records {
    chunks: mpsc::Receiver<Vec<Record>>,
    reader: JoinHandle<io::Result<Contents>>,
}

impl Records {
    /// The next few records, in order; never none of them. `None` once there are no more, or reading failed.
    pub async fn next(&mut self) -> Option<Vec<Record>> {
        self.chunks.recv().await
    }

    /// What was read.
    ///
    /// # Errors
    /// When the file could not be read to its end, or not all of its records were taken.
    pub async fn finish(mut self) -> io::Result<Contents> {
        self.chunks.close();
        self.reader.await?
    }
}

/// The records of a small file, and their share of the memory for such.
#[derive(Debug)]
pub struct Kept {
    /// In order.
    pub records: Vec<Record>,
    share: Option<OwnedSemaphorePermit>,
}

impl Kept {
    /// Keeps more records, unless there is no room for them.
    fn keep(mut self, mut records: Vec<Record>, room: &Arc<Semaphore>) -> Option<Self> {
        let bytes: usize = records.iter().map(|record| record.kept() + size_of::<[Record; 3]>()).sum();
        let share = Arc::clone(room).try_acquire_many_owned(u32::try_from(bytes.div_ceil(1 << 10)).ok()?).ok()?;
        match &mut self.share {
            Some(all) => all.merge(share),
            none => *none = Some(share),
        }
        self.records.append(&mut records);
        Some(self)
    }
}

impl Object {
    /// Reads the records. None above `limit` bytes is kept.
    #[must_use]
    pub fn records(&self, limit: usize, shutdown: &Shutdown) -> Records {
        let (sender, chunks) = mpsc::channel(4);
        let send = move |records| sender.blocking_send(records).map_err(io::Error::other);
        Records { chunks, reader: self.read(limit, shutdown, send) }
    }

    /// Reads the file to its end, only to say what it holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn survey(&self, shutdown: &Shutdown) -> io::Result<Contents> {
        self.read(CHUNK, shutdown, |_| Ok(())).await?
    }

    /// Reads the file to its end, to say what it holds, and keeps its records where there is room for them, in KiB:
    /// then it need not be read again. None above `limit` bytes is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn survey_and_keep(
        &self,
        limit: usize,
        room: &Arc<Semaphore>,
        shutdown: &Shutdown,
    ) -> io::Result<(Contents, Option<Kept>)> {
        let (sender, mut chunks) = mpsc::channel(4);
        let reading = self.read(limit, shutdown, move |records| {
            // Nobody takes them any more when there is no room: the rest is only looked at.
            let _ = sender.blocking_send(records);
            Ok(())
        });
        let mut kept = Some(Kept { records: Vec::new(), share: None });
        while let Some(records) = chunks.recv().await {
            kept = kept.and_then(|kept| kept.keep(records, room));
            if kept.is_none() {
                chunks.close();
            }
        }
        Ok((reading.await??, kept))
    }

    fn read(
        &self,
        limit: usize,
        shutdown: &Shutdown,
        send: impl FnMut(Vec<Record>) -> io::Result<()> + Send + 'static,
    ) -> JoinHandle<io::Result<Contents>> {
        let (object, shutdown, runtime) = (self.clone(), shutdown.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let (form, stream) = Form::tell(object.open(&runtime, &shutdown)?)?;
            read_records(stream, form, limit, &shutdown, send)
        })
    }
}

const CHUNK: usize = 128 << 10;
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What cuts a stream into records.
enum Cutter {
    Json(Box<Scanner>),
    Csv(Box<Rows>),
}

impl Cutter {
    fn new(form: Form, limit: usize) -> Self {
        match form {
            Form::Json => Cutter::Json(Box::new(Scanner::new(limit))),
            Form::Csv(csv) => Cutter::Csv(Box::new(Rows::new(csv, limit))),
        }
    }

    fn feed(&mut self, chunk: &[u8], records: &mut Vec<Record>) {
        match self {
            Cutter::Json(scanner) => scanner.feed(chunk, records),
            Cutter::Csv(rows) => rows.feed(chunk, records),
        }
    }

    /// Ends the stream. `true` when an array was not closed.
    fn finish(&mut self, records: &mut Vec<Record>) -> bool {
        match self {
            Cutter::Json(scanner) => scanner.finish(records),
            Cutter::Csv(rows) => {
                rows.finish(records);
                false
            }
        }
    }
}

/// Reads a decompressed stream to its end, and sends its records, a few at a time.
///
/// # Errors
/// When it cannot be read, the process is told to stop, or `send` fails.
pub fn read_records(
    mut stream: impl Read,
    form: Form,
    limit: usize,
    shutdown: &Shutdown,
    mut send: impl FnMut(Vec<Record>) -> io::Result<()>,
) -> io::Result<Contents> {
    let (mut cutter, mut records) = (Cutter::new(form, limit), Vec::new());
    let head = first_bytes(&mut stream, BYTE_ORDER_MARK.len())?;
    let mut hash = Sha256::new_with_prefix(&head);
    let mut contents = Contents { sha256: [0; 32], bytes: head.len() as u64, records: 0, cut_off: false };
    cutter.feed(head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head), &mut records);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if shutdown.soft().is_cancelled() {
            return Err(io::Error::other(crate::shutdown::Stopped));
        }
        hash.update(&chunk[..read]);
        contents.bytes += read as u64;
        cutter.feed(&chunk[..read], &mut records);
        if read == 0 {
            contents.cut_off = cutter.finish(&mut records);
        }
        contents.records += records.len() as u64;
        if !records.is_empty() {
            send(std::mem::take(&mut records))?;
        }
        if read == 0 {
            contents.sha256 = hash.finalize().into();
            return Ok(contents);
        }
    }
}
