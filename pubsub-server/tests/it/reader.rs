//! A streaming pull by the official client. One task owns the stream: `next()` must never be cancelled.

use std::time::Duration;

use google_cloud_pubsub::Error;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::target::{PATIENCE, Target};

pub(crate) struct Reader {
    received: mpsc::UnboundedReceiver<Result<(Message, Handler), Error>>,
}

impl Reader {
    pub(crate) async fn open(target: &Target, subscription: &str, max_outstanding: i64) -> Self {
        let mut stream = target
            .subscriber()
            .await
            .subscribe(subscription)
            .set_max_outstanding_messages(max_outstanding)
            .set_max_lease_extension(Duration::from_secs(10))
            .build();
        let (to, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(next) = stream.next().await {
                if to.send(next).is_err() {
                    break;
                }
            }
        });
        Self { received }
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
