//! What the shop writes down while it sells: shoppers who are new, and the orders that views led to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::files;
use crate::sales::Sale;
use crate::shop::Shop;
use crate::shoppers::Shopper;
use crate::tables;

/// Entries that wait to be written; whoever has another waits too.
const DESK: usize = 10_000;
/// How long a newcomer is unknown, at least.
const UNKNOWN_FOR: Duration = Duration::from_secs(15);
/// How often entries are written.
const EVERY: Duration = Duration::from_secs(1);

/// Something to write down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A shopper whom no table knows; they are heard of first, and registered some time later.
    Shopper(Shopper),
    /// An order with its items.
    Sale(Sale),
}

/// Where entries are handed in.
pub(crate) type Desk = mpsc::Sender<Entry>;

/// Keeps the books.
pub(crate) struct Books {
    shop: Arc<Shop>,
    blob: PathBuf,
    /// Nothing: there are no tables.
    pool: Option<PgPool>,
    sales: Vec<Sale>,
    /// With the time when they are due, in order.
    unknown: Vec<(Instant, Shopper)>,
    newcomers: Vec<Shopper>,
}

impl Books {
    pub(crate) fn new(shop: Arc<Shop>, blob: PathBuf, pool: Option<PgPool>) -> Books {
        Books { shop, blob, pool, sales: Vec::new(), unknown: Vec::new(), newcomers: Vec::new() }
    }

    /// The desk, and what is handed in there.
    pub(crate) fn desk() -> (Desk, mpsc::Receiver<Entry>) {
        mpsc::channel(DESK)
    }

    /// Writes down what is handed in, until nobody can hand in any more; then what is left. Waits for
    /// a database or a folder that is away. Errs when the database refuses.
    pub(crate) async fn keep(mut self, mut entries: mpsc::Receiver<Entry>) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = entries.recv() => match entry {
                    Some(entry) => self.note(entry),
                    None => break,
                },
                _ = ticks.tick() => self.write(Instant::now()).await?,
            }
        }
        self.write(Instant::now() + UNKNOWN_FOR).await
    }

    fn note(&mut self, entry: Entry) {
        match entry {
            Entry::Shopper(shopper) => self.unknown.push((Instant::now() + UNKNOWN_FOR, shopper)),
            Entry::Sale(sale) => self.sales.push(sale),
        }
    }

    /// Writes the orders there are, and the shoppers that are due.
    async fn write(&mut self, now: Instant) -> anyhow::Result<()> {
        let sales = std::mem::take(&mut self.sales);
        let due = self.unknown.partition_point(|(due, _)| *due <= now);
        let due: Vec<Shopper> = self.unknown.drain(..due).map(|(_, shopper)| shopper).collect();
        if let Some(pool) = &self.pool {
            if !sales.is_empty() {
                let recorded = tables::patiently(|| Box::pin(tables::record(&sales, pool))).await;
                recorded.context("cannot write to orders and order_items")?;
            }
            if !due.is_empty() {
                let registered = tables::patiently(|| Box::pin(tables::register(&due, pool))).await;
                registered.context("cannot write to shoppers")?;
            }
        }
        if !due.is_empty() {
            self.newcomers.extend(due);
            self.publish_list().await;
        }
        Ok(())
    }

    /// Writes the list of all shoppers that are known by now.
    async fn publish_list(&self) {
        let everyone = [self.shop.shoppers(), &self.newcomers].concat();
        files::keep_shoppers(&self.blob, everyone).await;
    }
}
