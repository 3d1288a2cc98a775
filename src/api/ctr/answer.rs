//! The answer on its way: written as it is counted, and never all of it in memory.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, Stream};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::Ctr;
use super::buckets::{Buckets, Failed};
use super::question::Question;
use super::tally::Counts;
use crate::api::problem::Problem;

/// A part of the answer.
enum Part {
    More(Bytes),
    Last(Bytes),
}

/// What is sent at once.
const PART: usize = 64 << 10;
/// Parts that wait for the client to read them.
const WAITING: usize = 8;
/// How long a client may read nothing before it is cut off: it holds a snapshot of the database. That gives
/// up on its own a little later.
const STALLED: Duration = Duration::from_secs(30);
/// How long it may take to read everything.
const WHOLE: Duration = Duration::from_secs(300);

/// What is held of an answer while its rows are counted.
const HELD: usize = 4 << 20;

/// Everything that an answer needs until it is read.
pub(super) struct Answer {
    pub(super) pool: PgPool,
    pub(super) question: Question,
    pub(super) ctr: Ctr,
    pub(super) room: OwnedSemaphorePermit,
}

/// What is known of an answer once its rows are counted.
pub(super) enum Counted {
    /// It has more than it may.
    TooMuch,
    /// It may be given, and is too long to be held.
    Long,
    /// It may be given.
    Whole(Bytes),
}

impl Answer {
    /// Counts the rows, and keeps them while they are few: neither database nor history is asked again for those.
    ///
    /// # Errors
    /// When database or history do not answer.
    pub(super) async fn counted(&self) -> Result<Counted, Failed> {
        let Answer { pool, question, ctr, room: _room } = self;
        let mut buckets = Buckets::open(pool, question, ctr).await?;
        let (mut pen, mut rows) = (Pen::default(), 0);
        while let Some((bucket, tally)) = buckets.next(ctr.most_rows).await? {
            rows += tally.rows();
            if rows > ctr.most_rows {
                return Ok(Counted::TooMuch);
            }
            let timestamp = question.label(bucket);
            for row in tally.iter() {
                if pen.text.len() >= HELD {
                    break;
                }
                pen.row(&timestamp, row);
            }
        }
        Ok(if pen.rows < rows { Counted::Long } else { Counted::Whole(pen.end()) })
    }

    /// A body that is complete JSON, or breaks off with its connection.
    ///
    /// # Errors
    /// When the database or the history fails before there is anything to send.
    pub(super) async fn body(self) -> Result<Body, Problem> {
        let (sender, mut parts) = mpsc::channel(WAITING);
        let writing = tokio::spawn(self.write_in_time(sender));
        match parts.recv().await {
            Some(Part::Last(all)) => Ok(all.into()),
            Some(more) => Ok(Body::from_stream(rest(more, parts))),
            None => Err(match writing.await {
                Ok(Err(error)) => error.into(),
                _ => Problem::fault(),
            }),
        }
    }

    async fn write_in_time(self, parts: mpsc::Sender<Part>) -> Result<(), Failed> {
        let written = timeout(WHOLE, self.write(parts)).await.unwrap_or(Ok(()));
        written.inspect_err(|error| tracing::error!(%error, "an answer broke off"))
    }

    /// Sends the rows. Without the last part when the client does not read them.
    async fn write(self, parts: mpsc::Sender<Part>) -> Result<(), Failed> {
        let Answer { pool, question, ctr, room: _room } = self;
        let mut buckets = Buckets::open(&pool, &question, &ctr).await?;
        let mut pen = Pen::default();
        while let Some((bucket, tally)) = buckets.next(ctr.most_rows).await? {
            if tally.rows() > ctr.most_rows {
                tracing::warn!("an answer broke off: more came in since its rows were counted");
                return Ok(());
            }
            let timestamp = question.label(bucket);
            for row in tally.iter() {
                pen.row(&timestamp, row);
                if pen.text.len() >= PART && send(&parts, Part::More(pen.part())).await.is_none() {
                    return Ok(());
                }
            }
        }
        send(&parts, Part::Last(pen.end())).await;
        Ok(())
    }
}

/// Writes rows.
struct Pen {
    text: Vec<u8>,
    rows: usize,
}

impl Default for Pen {
    fn default() -> Self {
        Pen { text: b"[".to_vec(), rows: 0 }
    }
}

impl Pen {
    fn row(&mut self, timestamp: &str, (platform, product, counts): (&str, &str, Counts)) {
        let separator: &[u8] = if self.rows == 0 { b"" } else { b",\n" };
        self.rows += 1;
        let text = &mut self.text;
        text.extend_from_slice(separator);
        text.extend_from_slice(br#"{"timestamp":""#);
        text.extend_from_slice(timestamp.as_bytes());
        text.extend_from_slice(br#"","platform":"#);
        // Writing into memory does not fail.
        let _ = serde_json::to_writer(&mut *text, platform);
        text.extend_from_slice(br#","product":"#);
        let _ = serde_json::to_writer(&mut *text, product);
        let _ = write!(text, r#","CTR":{counts}}}"#);
    }

    /// What is written so far.
    fn part(&mut self) -> Bytes {
        std::mem::replace(&mut self.text, Vec::with_capacity(PART + (PART >> 4))).into()
    }

    /// What is written, with the end.
    fn end(mut self) -> Bytes {
        self.text.push(b']');
        self.text.into()
    }
}

/// `None` when the client has gone, or might as well have.
async fn send(parts: &mpsc::Sender<Part>, part: Part) -> Option<()> {
    timeout(STALLED, parts.send(part)).await.ok()?.ok()
}
/// Everything from the first part on. Without a last one it ends in an error, which breaks the connection.
fn rest(first: Part, parts: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(Some((Some(first), parts)), async |rest| {
        let Some((first, mut parts)) = rest else { return Ok(None) };
        let part = match first {
            Some(first) => Some(first),
            None => parts.recv().await,
        };
        match part {
            Some(Part::More(bytes)) => Ok(Some((bytes, Some((None, parts))))),
            Some(Part::Last(bytes)) => Ok(Some((bytes, None))),
            None => Err(io::Error::other("the answer broke off")),
        }
    })
}
