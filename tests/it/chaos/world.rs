//! A run: everything that is there, what is sent into it, and the accounts at the end.

use std::sync::Arc;

use futures::future::OptionFuture;
use purser_producer::Shop;

use super::crew::Crew;
use super::faults::{LETTERS, Surroundings, point};
use super::messages::{Late, MAX_EVENT_BYTES, Supply};
use super::other_ways::{back_fill, post_all};
use super::report::Report;
use super::schedule::{Fault, Step};
use crate::support::proxy::Proxy;
use crate::support::sent::{Expected, Sent, Way};
use crate::support::stack::{Stack, eventually, free_address, shop};

/// Messages that may wait before more are sent.
const BACKLOG: usize = 3000;
/// Shoppers who are registered when the run begins, of two thousand; the others follow.
const EARLY: usize = 1000;
const AT_ONCE: usize = 20;

pub struct World {
    stack: Stack,
    proxy: Proxy,
    crew: Crew,
    supply: Supply,
    shop: Arc<Shop>,
    registered: usize,
    report: Report,
}

impl World {
    pub async fn start(seed: u64) -> World {
        let stack = Stack::with_own_postgres().await;
        let proxy = Proxy::start(&stack.rig.url).await;
        std::fs::create_dir(stack.blob.path().join(LETTERS)).unwrap();
        point(stack.blob.path(), LETTERS);
        // Where it listens is each one's own.
        let mut flags = stack.flags_at(free_address());
        flags.retain(|flag| !flag.starts_with("--database-url") && !flag.starts_with("--http-addr"));
        flags.push(format!("--database-url={}", proxy.url));
        flags.push(format!("--max-event-bytes={MAX_EVENT_BYTES}"));
        flags.push("--pubsub-idle-seconds=3".to_owned());
        let shop = Arc::new(shop());
        let supply = Supply::new(&shop, seed);
        let report = Report::of(seed);
        let crew = Crew::start(flags);
        let mut world = World { stack, proxy, crew, supply, shop, registered: 0, report };
        world.register(EARLY).await;
        world.stack.subscribed().await;
        world
    }

    /// Sends while things are broken, and waits until the workers keep up again.
    pub async fn take(&mut self, step: Step) {
        self.report.took(&step);
        self.register(AT_ONCE).await;
        self.bring_the_late().await;
        let messages = self.supply.next(step.purchases);
        let file = step.back_fill.map(|(purchases, killed_after)| (self.supply.file(purchases), killed_after));
        let again = self.again(step.again);
        self.report.sent(&messages, again.len(), file.as_ref().map_or(0, |(file, _)| file.len()));
        let (posted, published): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(way, _)| *way == Way::Http);
        let posted: Vec<Sent> = posted.into_iter().map(|(_, sent)| sent).collect();
        let World { stack, proxy, crew, .. } = self;
        let (post, rest) = stack.post_and_rest();
        let flags = [format!("--database-url={}", proxy.url), format!("--blob-url={}", rest.blob.display())];
        post.book.extend(posted.iter().cloned());
        post.book.extend(file.iter().flat_map(|(file, _)| file.iter().cloned()));
        let filing = OptionFuture::from(file.map(|(file, killed_after)| back_fill(file, killed_after, flags)));
        let posting = post_all(posted, crew.addresses.clone());
        let publishing = async {
            post.publish(published.into_iter().map(|(_, sent)| sent)).await;
            post.publish_again(again).await;
        };
        let breaking = Surroundings { crew, proxy, rest }.break_and_mend(&step.faults, step.hold);
        tokio::join!(publishing, breaking, posting, filing);
        if step.faults.iter().any(|fault| matches!(fault, Fault::RestartPubSub)) {
            self.restart_pubsub().await;
        }
        self.crew.muster().await;
        eventually("the workers keep up", async || self.stack.unacknowledged().len() < BACKLOG).await;
    }

    /// Waits until everything is decided, stops the workers, and closes the accounts.
    pub async fn finish(mut self) -> Report {
        self.crew.muster().await;
        self.bring_the_late().await;
        self.stack.acknowledged().await;
        self.healed().await;
        self.stack.shipped().await;
        self.crew.stop().await;
        let accounts = self.stack.assert_exact().await;
        self.report.closed(&self.crew, &self.proxy, &self.stack.post.book, &accounts);
        self.report
    }

    /// Some of those who take part in tests become known after their events.
    async fn register(&mut self, count: usize) {
        let all = self.shop.shoppers();
        let until = (self.registered + count).min(all.len());
        let new = &all[self.registered..until];
        // Another session's end may be the end of this one's statement.
        eventually("shoppers are registered", async || {
            purser_producer::register(new, self.stack.rig.pool()).await.is_ok()
        })
        .await;
        self.registered = until;
    }

    /// What was named too early by the step before.
    async fn bring_the_late(&mut self) {
        for late in self.supply.late() {
            let insert = match late {
                Late::User(_) => "INSERT INTO users (id, address) VALUES ($1, 'Late') ON CONFLICT DO NOTHING",
                Late::Article(_) => {
                    "INSERT INTO articles (id, price, currency) VALUES ($1, 1, 'USD') ON CONFLICT DO NOTHING"
                }
            };
            let (Late::User(id) | Late::Article(id)) = late;
            let insert = async || sqlx::query(insert).bind(id).execute(self.stack.rig.pool()).await.is_ok();
            eventually("who is late comes", insert).await;
        }
    }

    /// Waits until no dead letter waits for anything that is there.
    async fn healed(&self) {
        let for_good = self.stack.post.book.sent().iter().flat_map(|sent| &sent.expected);
        let for_good = for_good.filter(|expected| matches!(expected, Expected::Letter { reason: "reference", .. }));
        let (for_good, waiting) = (for_good.count() as i64, "SELECT count(DISTINCT dead_letter) FROM waiting");
        let ready = "SELECT count(*) FROM dead_letters WHERE ready";
        eventually("dead letters have healed", async || {
            self.stack.rig.number(waiting).await == for_good && self.stack.rig.number(ready).await == 0
        })
        .await;
    }

    /// Messages of any age that came in from Pub/Sub.
    fn again(&mut self, count: usize) -> Vec<usize> {
        let known = self.stack.post.published();
        let every = (known.len() / count.max(1)).max(1);
        known.into_iter().step_by(every).take(count).collect()
    }

    /// A server that keeps nothing on disk takes what nobody has acknowledged with it: it is published again,
    /// as the real service would have kept it.
    async fn restart_pubsub(&mut self) {
        let unacked = self.stack.unacknowledged();
        self.stack.restart_pubsub().await;
        self.stack.subscribed().await;
        let numbers = self.stack.post.numbers(&unacked);
        self.stack.post.publish_again(numbers).await;
    }
}
