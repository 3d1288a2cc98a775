//! One kind of message, from its topic's first subscription to its last confirmation.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::books::Desk;
use crate::files;
use crate::kinds::{Kind, Messages};
use crate::message::Message;
use crate::options::Options;
use crate::pace::{Due, Pace, Rate};
use crate::place::Place;
use crate::publish::{Letter, Outlet};
use crate::repeats::Repeats;
use crate::tally::{Tag, Tally};

/// At full speed the kinds take turns; in one, each sends what goes with this many purchases.
const TURN: u64 = 500;

/// Everything that a lane shares with the others.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) options: Arc<Options>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) desk: Desk,
    /// Fair, so that at full speed no kind gets ahead of another.
    pub(crate) turn: Arc<Mutex<()>>,
}

/// One kind and its messages.
pub(crate) struct Lane {
    pub(crate) kind: &'static Kind,
    pub(crate) messages: Messages,
    pub(crate) repeats: Repeats,
    pub(crate) shared: Shared,
}

impl Lane {
    /// Waits until somebody listens, then sends until as many are sent as go with the count of
    /// purchases, or `shutdown` is cancelled; then waits for what is unconfirmed, ten seconds at the
    /// most once `shutdown` is. Errs when sending has become impossible.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let topic = if self.kind.name == "purchase" { &self.shared.options.topic } else { self.kind.topic };
        let place = Place::of(&self.shared.options, topic);
        match shutdown.run_until_cancelled(place.open()).await {
            Some(opened) => opened?,
            None => return Ok(()),
        }
        info!(topic = place.topic(), "open");
        let tally = Arc::clone(&self.shared.tally);
        let outlet = Outlet::open(place, move |tag| tally.confirmed(tag)).await?;
        let sold = shutdown.run_until_cancelled(self.sell(&outlet)).await;
        let closed = outlet.close(shutdown).await;
        closed.and(sold.unwrap_or(Ok(())))
    }

    async fn sell(mut self, outlet: &Outlet<Tag>) -> anyhow::Result<()> {
        let rate = self.shared.options.rate.times(f64::from(self.kind.per_ten_purchases) / 10.0);
        let mut pace = Pace::new(rate, self.kind.for_purchases(TURN), Instant::now());
        let mut left = self.shared.options.count.map_or(u64::MAX, |count| self.kind.for_purchases(count));
        while left > 0 {
            match pace.due(Instant::now()) {
                Due::After(wait) => tokio::time::sleep(wait).await,
                Due::Now(count) => {
                    let count = count.min(left);
                    self.sell_batch(usize::try_from(count)?, outlet).await?;
                    left -= count;
                }
            }
        }
        Ok(())
    }

    /// Writes the files, then publishes: what has been published always has its file. It costs little,
    /// since sending goes on behind our back while the next files are written.
    async fn sell_batch(&mut self, count: usize, outlet: &Outlet<Tag>) -> anyhow::Result<()> {
        let (kind, shared) = (self.kind.name, self.shared.clone());
        let at_full_speed = shared.options.rate == Rate::Max;
        let _turn: Option<MutexGuard<'_, ()>> = if at_full_speed { Some(shared.turn.lock().await) } else { None };
        let batch: Vec<Message> = self.messages.by_ref().take(count).collect();
        if shared.options.purchase_files {
            let copies = batch.iter().filter_map(|it| Some((it.file?, it.payload.clone())));
            files::keep_purchases(&shared.options.blob, copies.collect()).await;
        }
        for message in batch {
            let tag = Tag { kind, fault: message.fault, is_repeat: false };
            let repeat = self.repeats.after(&message);
            shared.send(tag, message, outlet).await?;
            if let Some(repeat) = repeat {
                shared.send(Tag { kind, fault: repeat.fault, is_repeat: true }, repeat, outlet).await?;
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Publishes, then has written down what goes with it.
    async fn send(&self, tag: Tag, message: Message, outlet: &Outlet<Tag>) -> anyhow::Result<()> {
        let Message { payload, attributes, fault: _, file: _, entries } = message;
        outlet.send(Letter { payload, attributes }, tag, || self.tally.sent(tag)).await?;
        for entry in entries {
            self.desk.send(entry).await.context("the books are closed")?;
        }
        Ok(())
    }
}
