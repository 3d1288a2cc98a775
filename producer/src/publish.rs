//! Sends payloads, a bounded number at a time, until the server has said that it has them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::publisher::PublishFuture;
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::patience::Patience;
use crate::place::{Place, code};

/// Messages sent and not yet confirmed. The client itself queues without end.
const WINDOW: usize = 20_000;

/// Messages whose confirmation is awaited, and which are sent again, together.
const CHUNK: usize = 1000;

/// How long a shutdown waits for confirmations.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// What is published: the bytes, and the attributes beside them.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) payload: Bytes,
    pub(crate) attributes: Vec<(&'static str, String)>,
}

/// A letter on its way, with what its sender wants to hear again when it has arrived.
struct Pending<T> {
    letter: Letter,
    tag: T,
    answer: PublishFuture,
}

/// The way out of the shop. Outages make [`send`](Outlet::send) wait; they lose nothing.
///
/// A message whose confirmation was lost is sent again and then exists twice, under two message
/// ids, as with any publisher.
pub(crate) struct Outlet<T> {
    line: Arc<Line>,
    window: mpsc::Sender<Pending<T>>,
    settling: JoinHandle<anyhow::Result<()>>,
}

impl<T: Send + 'static> Outlet<T> {
    /// Connects (in time) to `place`; `confirmed` hears the tag of every message that has arrived.
    /// Errs without usable credentials.
    pub(crate) async fn open(place: Place, confirmed: impl Fn(T) + Send + Sync + 'static) -> anyhow::Result<Outlet<T>> {
        let current = RwLock::new(place.publisher().await?);
        let line = Arc::new(Line { place, current });
        let (window, sent) = mpsc::channel(WINDOW);
        let settling = tokio::spawn(settle_all(Arc::clone(&line), sent, confirmed));
        Ok(Outlet { line, window, settling })
    }

    /// Hands `letter` to the client and calls `sent`; waits while the window is full. A cancelled
    /// call has sent nothing. Errs when sending has become impossible.
    pub(crate) async fn send(&self, letter: Letter, tag: T, sent: impl FnOnce()) -> anyhow::Result<()> {
        let place = self.window.reserve().await.context("the publisher has stopped")?;
        let publisher = self.line.current.read().await;
        sent();
        let answer = publish(&publisher, letter.clone());
        place.send(Pending { letter, tag, answer });
        Ok(())
    }

    /// Waits until everything sent is confirmed; once `shutdown` is cancelled, for ten seconds more.
    pub(crate) async fn close(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Outlet { line, window, mut settling } = self;
        drop((line, window));
        let patience_ends = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_LIMIT).await;
        };
        tokio::select! {
            settled = &mut settling => settled.context("the publisher has crashed")?,
            () = patience_ends => {
                settling.abort();
                Ok(())
            }
        }
    }
}

/// The publisher in use, which is replaced when its connection is in doubt. While it is, no one sends.
struct Line {
    place: Place,
    current: RwLock<Publisher>,
}

impl Line {
    /// Makes sending worth another try after `cause`, then sends `failed` again. What the old publisher
    /// still holds goes on.
    async fn resend<T>(
        &self,
        failed: Vec<(Letter, T)>,
        cause: &PublishError,
        patience: &mut Patience,
    ) -> anyhow::Result<Vec<Pending<T>>> {
        let mut current = self.current.write().await;
        patience.wait(cause).await;
        if is_not_found(cause) || self.place.is_forgetful() {
            self.place.ready().await?;
        }
        *current = self.place.publisher().await?;
        let again = |(letter, tag): (Letter, T)| {
            let answer = publish(&current, letter.clone());
            Pending { letter, tag, answer }
        };
        Ok(failed.into_iter().map(again).collect())
    }
}

fn publish(publisher: &Publisher, letter: Letter) -> PublishFuture {
    let Letter { payload, attributes } = letter;
    publisher.publish(Message::new().set_data(payload).set_attributes(attributes))
}

fn is_not_found(cause: &PublishError) -> bool {
    matches!(cause, PublishError::Rpc(error) if code(error) == Some(Code::NotFound))
}

async fn settle_all<T>(
    line: Arc<Line>,
    mut sent: mpsc::Receiver<Pending<T>>,
    confirmed: impl Fn(T),
) -> anyhow::Result<()> {
    let mut patience = Patience::new("Pub/Sub to accept messages");
    let mut chunk = Vec::with_capacity(CHUNK);
    while sent.recv_many(&mut chunk, CHUNK).await > 0 {
        while !chunk.is_empty() {
            chunk = settle(&line, chunk, &confirmed, &mut patience).await?;
        }
        patience.over();
    }
    Ok(())
}

/// Awaits the answers to `chunk`; what failed is sent again, together, and returned.
async fn settle<T>(
    line: &Line,
    chunk: Vec<Pending<T>>,
    confirmed: &impl Fn(T),
    patience: &mut Patience,
) -> anyhow::Result<Vec<Pending<T>>> {
    let (mut failed, mut cause) = (Vec::new(), None);
    for Pending { letter, tag, answer } in chunk {
        match answer.await {
            Ok(_message_id) => confirmed(tag),
            Err(error) => {
                failed.push((letter, tag));
                cause = Some(error);
            }
        }
    }
    match cause {
        Some(cause) => line.resend(failed, &cause, patience).await,
        None => Ok(Vec::new()),
    }
}
