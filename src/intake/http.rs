//! Events out of HTTP requests: into the same pipeline as every other, with somebody waiting for the
//! outcome. A request waits until its batch has committed, and no longer than [`DEADLINE`].

mod room;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Delivery, Origin, Receipt};
use crate::pipeline::Outcome;

pub use room::{GrowingRoom, Room};

/// How long a request waits for its event to be decided.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The bytes of request bodies that may wait at once.
const WAITING_BYTES: usize = 64 << 20;

/// Takes events of one kind out of requests. Its pipeline is at the other end of the queue.
#[derive(Debug)]
pub struct HttpIntake {
    kind: &'static str,
    queue: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
}

/// One event as a request brought it.
#[derive(Debug)]
pub struct Submission {
    /// What makes it the same event when it is sent again: unique for ever, except for that.
    pub key: String,
    /// The line of an ndjson body, from 1.
    pub line: Option<u32>,
    /// Its bytes.
    pub payload: Bytes,
    /// What was said of it beside the payload.
    pub attributes: BTreeMap<String, String>,
    /// Names the request in the log.
    pub request_id: String,
    /// Where its bytes are counted.
    pub room: Room,
}

/// Why nothing can be said about an event. Sending it again, with the same key, is safe in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// It was not taken in.
    #[error("too many events are waiting to be decided")]
    Full,
    /// The time was up before a batch took it: it will not be decided.
    #[error("no batch took the event in time; it was withdrawn")]
    Withdrawn,
    /// The time was up while its batch was being decided: it may become a row or a dead letter yet.
    #[error("the event is being decided, but was not in time")]
    InFlight,
    /// The process stops.
    #[error("the service is stopping")]
    Stopping,
}

impl HttpIntake {
    /// An intake whose deliveries go into `queue`, as ids that begin with `http:<kind>:`.
    #[must_use]
    pub fn new(kind: &'static str, queue: mpsc::Sender<Delivery>) -> Self {
        HttpIntake { kind, queue, room: Arc::new(Semaphore::new(WAITING_BYTES)) }
    }

    /// Makes room for a body before it is read.
    ///
    /// # Errors
    /// [`Undecided::Full`] when too much is waiting already.
    pub fn reserve(&self, bytes: usize) -> Result<Room, Undecided> {
        let mut growing = self.growing_room();
        growing.add(bytes)?;
        Ok(growing.done())
    }

    /// Room for a payload of which nobody knows how much will come.
    #[must_use]
    pub fn growing_room(&self) -> GrowingRoom<'_> {
        GrowingRoom { intake: self, permit: None }
    }

    /// Hands an event over and waits until it is decided, committed and so answered for ever.
    ///
    /// A single event is turned away at once when the queue is full; the lines of a body wait for each other.
    ///
    /// # Errors
    /// When it is not known, after [`DEADLINE`] at the latest, what becomes of the event.
    pub async fn decide(&self, submission: Submission) -> Result<Vec<Outcome>, Undecided> {
        let now = Instant::now();
        let deadline = now + DEADLINE;
        let room_until = if submission.line.is_some() { deadline } else { now };
        let taken = Arc::new(AtomicBool::new(false));
        let (reply, outcomes) = oneshot::channel();
        match timeout_at(room_until, self.queue.reserve()).await {
            Ok(Ok(place)) => place.send(self.delivery(submission, Arc::clone(&taken), reply)),
            Ok(Err(_closed)) => return Err(Undecided::Stopping),
            Err(_elapsed) => return Err(Undecided::Full),
        }
        match timeout_at(deadline, outcomes).await {
            Ok(outcomes) => outcomes.map_err(|_dropped| Undecided::Stopping),
            Err(_elapsed) if take(&taken) => Err(Undecided::Withdrawn),
            Err(_elapsed) => Err(Undecided::InFlight),
        }
    }

    fn delivery(
        &self,
        submission: Submission,
        taken: Arc<AtomicBool>,
        reply: oneshot::Sender<Vec<Outcome>>,
    ) -> Delivery {
        let Submission { key, line, payload, attributes, request_id, room } = submission;
        let now = Utc::now();
        Delivery {
            id: match line {
                Some(line) => format!("http:{}:{key}#{line}", self.kind),
                None => format!("http:{}:{key}", self.kind),
            },
            payload,
            published_at: now,
            received_at: now,
            origin: Origin::Http { request_id, line, attributes },
            replays: None,
            receipt: Box::new(HttpReceipt { taken, reply, _room: room }),
        }
    }
}

/// Whoever comes first has the delivery: the batch that decides it, or the request that withdraws it.
fn take(taken: &AtomicBool) -> bool {
    !taken.swap(true, Ordering::AcqRel)
}

struct HttpReceipt {
    taken: Arc<AtomicBool>,
    reply: oneshot::Sender<Vec<Outcome>>,
    _room: Room,
}

impl Receipt for HttpReceipt {
    fn claim(&mut self) -> bool {
        take(&self.taken)
    }

    fn settle(self: Box<Self>, outcomes: Vec<Outcome>) {
        // Nobody listens any more when the client has left: the event is decided all the same.
        let _ = self.reply.send(outcomes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pipe {
        intake: Arc<HttpIntake>,
        deliveries: mpsc::Receiver<Delivery>,
    }

    fn pipe() -> Pipe {
        let (queue, deliveries) = mpsc::channel(1);
        Pipe { intake: Arc::new(HttpIntake::new("purchase", queue)), deliveries }
    }

    impl Pipe {
        /// What a request hears that sends one event, or one line.
        fn submit(&self, line: Option<u32>) -> tokio::task::JoinHandle<Result<Vec<Outcome>, Undecided>> {
            let intake = Arc::clone(&self.intake);
            let payload = Bytes::from_static(b"{}");
            let room = intake.reserve(payload.len()).unwrap();
            let attributes = BTreeMap::new();
            let (key, request_id) = ("k".to_owned(), "r".to_owned());
            let submission = Submission { key, line, payload, attributes, request_id, room };
            tokio::spawn(async move { intake.decide(submission).await })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_outcome_is_the_answer() {
        let mut pipe = pipe();
        let answer = pipe.submit(Some(7));
        let mut delivery = pipe.deliveries.recv().await.unwrap();
        assert_eq!(delivery.id, "http:purchase:k#7");
        assert!(delivery.receipt.claim());
        delivery.receipt.settle(vec![Outcome::Ignored]);
        assert!(matches!(answer.await.unwrap().unwrap().as_slice(), [Outcome::Ignored]));
        assert_eq!(pipe.intake.room.available_permits(), WAITING_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_batch_took_is_withdrawn() {
        let mut pipe = pipe();
        assert_eq!(pipe.submit(None).await.unwrap().unwrap_err(), Undecided::Withdrawn);
        assert!(!pipe.deliveries.recv().await.unwrap().receipt.claim());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_batch_took_may_still_be_decided() {
        let mut pipe = pipe();
        let answer = pipe.submit(None);
        let mut delivery = pipe.deliveries.recv().await.unwrap();
        assert!(delivery.receipt.claim());
        assert_eq!(answer.await.unwrap().unwrap_err(), Undecided::InFlight);
        delivery.receipt.settle(vec![Outcome::Ignored]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_turned_away_by_a_full_queue_and_a_line_waits() {
        let mut pipe = pipe();
        let _first = pipe.submit(None);
        tokio::task::yield_now().await;
        let started = Instant::now();
        assert_eq!(pipe.submit(None).await.unwrap().unwrap_err(), Undecided::Full);
        assert_eq!(started.elapsed(), Duration::ZERO);
        let line = pipe.submit(Some(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(pipe.deliveries.recv().await.unwrap().id, "http:purchase:k");
        assert_eq!(pipe.deliveries.recv().await.unwrap().id, "http:purchase:k#1");
        assert_eq!(line.await.unwrap().unwrap_err(), Undecided::Stopping);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stops_says_so() {
        let mut pipe = pipe();
        let answer = pipe.submit(None);
        drop(pipe.deliveries.recv().await);
        assert_eq!(answer.await.unwrap().unwrap_err(), Undecided::Stopping);
        pipe.deliveries.close();
        assert_eq!(pipe.submit(None).await.unwrap().unwrap_err(), Undecided::Stopping);
    }

    #[tokio::test]
    async fn waiting_bytes_are_bounded() {
        let pipe = pipe();
        let room = pipe.intake.reserve(WAITING_BYTES).unwrap();
        assert_eq!(pipe.intake.reserve(1).unwrap_err(), Undecided::Full);
        drop(room);
        assert!(pipe.intake.reserve(1).is_ok());
    }
}
