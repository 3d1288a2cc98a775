//! The answer on its way: written as it is counted, and never all of it in memory.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, Stream};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::buckets::Buckets;
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

/// Everything that an answer needs until it is read.
pub(super) struct Answer {
    pub(super) pool: PgPool,
    pub(super) question: Question,
    pub(super) cancelled: Arc<[String]>,
    pub(super) most_rows: usize,
    pub(super) room: OwnedSemaphorePermit,
}

impl Answer {
    /// A body that is complete JSON, or breaks off with its connection.
    ///
    /// # Errors
    /// When the database fails before there is anything to send.
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

    async fn write_in_time(self, parts: mpsc::Sender<Part>) -> sqlx::Result<()> {
        let written = timeout(WHOLE, self.write(parts)).await.unwrap_or(Ok(()));
        written.inspect_err(|error| tracing::error!(%error, "an answer broke off"))
    }

    /// Sends the rows. Without the last part when the client does not read them.
    async fn write(self, parts: mpsc::Sender<Part>) -> sqlx::Result<()> {
        let Answer { pool, question, cancelled, most_rows, room: _room } = self;
        let mut buckets = Buckets::open(&pool, &question, &cancelled).await?;
        let mut pen = Pen { text: b"[".to_vec(), rows: 0, parts };
        while let Some((bucket, tally)) = buckets.next(most_rows).await? {
            if tally.rows() > most_rows {
                tracing::warn!("an answer broke off: more came in since its rows were counted");
                return Ok(());
            }
            let timestamp = question.label(bucket);
            for (platform, product, counts) in tally.iter() {
                pen.row(&timestamp, platform, product, counts);
                if pen.text.len() >= PART && pen.send().await.is_none() {
                    return Ok(());
                }
            }
        }
        pen.finish().await;
        Ok(())
    }
}

/// Writes rows and sends them off.
struct Pen {
    text: Vec<u8>,
    rows: u64,
    parts: mpsc::Sender<Part>,
}

impl Pen {
    fn row(&mut self, timestamp: &str, platform: &str, product: &str, counts: Counts) {
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

    /// `None` when the client has gone, or might as well have.
    async fn send(&mut self) -> Option<()> {
        let text = std::mem::replace(&mut self.text, Vec::with_capacity(PART + (PART >> 4)));
        timeout(STALLED, self.parts.send(Part::More(text.into()))).await.ok()?.ok()
    }

    async fn finish(mut self) {
        self.text.push(b']');
        let _ = timeout(STALLED, self.parts.send(Part::Last(self.text.into()))).await;
    }
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
