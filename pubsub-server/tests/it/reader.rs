//! A streaming pull by the official client. One task owns the stream: `next()` must never be cancelled.

use std::time::Duration;

use google_cloud_pubsub::Error;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::target::{PATIENCE, Target};

type Received = Result<(Message, Handler), Error>;

pub(crate) struct Reader {
    received: mpsc::UnboundedReceiver<Received>,
    /// For another stream that joins; without it the end of the only stream would not be seen.
    to: mpsc::WeakUnboundedSender<Received>,
}

impl Reader {
    pub(crate) async fn open(target: &Target, subscription: &str, max_outstanding: i64) -> Self {
        let (to, received) = mpsc::unbounded_channel();
        let reader = Self { received, to: to.downgrade() };
        read(target, subscription, max_outstanding, to).await;
        reader
    }

    /// Opens one more stream, with a client of its own, whose messages come here too.
    pub(crate) async fn join(&self, target: &Target, subscription: &str, max_outstanding: i64) {
        read(target, subscription, max_outstanding, self.to.upgrade().expect("the stream ended")).await;
    }

    /// `None` when the stream ended.
    pub(crate) async fn try_next(&mut self) -> Option<Result<(Message, Handler), Error>> {
        timeout(PATIENCE, self.received.recv()).await.expect("the stream neither delivers nor ends")
    }

    pub(crate) async fn next(&mut self) -> (Message, Handler) {
        self.try_next().await.expect("the stream ended").expect("the stream failed")
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<(Message, Handler)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }

    /// Receives and acknowledges; the ids, sorted.
    pub(crate) async fn acknowledge(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for (message, handler) in self.take(count).await {
            handler.ack();
            ids.push(message.message_id);
        }
        ids.sort();
        ids
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.received.is_empty()
    }
}

async fn read(target: &Target, subscription: &str, max_outstanding: i64, to: mpsc::UnboundedSender<Received>) {
    let mut stream = target
        .subscriber()
        .await
        .subscribe(subscription)
        .set_max_outstanding_messages(max_outstanding)
        .set_max_lease_extension(Duration::from_secs(10))
        .build();
    tokio::spawn(async move {
        while let Some(next) = stream.next().await {
            if to.send(next).is_err() {
                break;
            }
        }
    });
}
