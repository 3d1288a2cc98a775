//! Everything around a worker: a Pub/Sub server, a database, a blob folder, and what was published,
//! so that the accounts can be closed at the end.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use google_cloud_pubsub::model::Message;
use private_postgres::testing::{FaultServer, TestDatabase, database_with};
use pubsub_server::Server;
use purser::blob::Blob;
use purser::database;
use purser::events::KINDS;
use purser_producer::{Purchase, Purchases, Shop};
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

use super::letters::{closed, letters};
use super::post::Post;
use super::process::{Process, Worker};
use super::sent::{Expected, Sent, Way};
use super::{Accounts, Rig};

/// The Postgres of a stack.
enum Postgres {
    Shared(TestDatabase),
    Own(FaultServer),
}

pub struct Stack {
    postgres: Postgres,
    pub pubsub: Server,
    pub blob: TempDir,
    pub rig: Rig,
    pub post: Post,
    purchases: Purchases,
}

/// Everything but what publishes.
pub struct Rest<'s> {
    pub postgres: &'s FaultServer,
    pub pubsub: &'s Server,
    pub blob: &'s Path,
    pub pool: &'s PgPool,
}

impl Stack {
    /// On a database of the shared server.
    pub async fn new() -> Stack {
        let database = database_with("sold", prepare).await;
        Stack::on(Postgres::Shared(database)).await
    }

    /// On a server of its own, which the test may stop.
    pub async fn with_own_postgres() -> Stack {
        let server = FaultServer::start().await.unwrap();
        server.ensure_database("purser").await.unwrap();
        prepare(server.url("purser")).await.unwrap();
        Stack::on(Postgres::Own(server)).await
    }

    async fn on(postgres: Postgres) -> Stack {
        let url = match &postgres {
            Postgres::Shared(database) => database.url().to_owned(),
            Postgres::Own(server) => server.url("purser"),
        };
        let pubsub = Server::start(pubsub_server::Config::for_testing()).await.unwrap();
        let post = Post::new(pubsub.endpoint());
        let purchases = Purchases::new(&shop(), 11, 0.3);
        let (rig, blob) = (Rig::on(&url), tempfile::tempdir().unwrap());
        Stack { postgres, pubsub, blob, rig, post, purchases }
    }

    /// The server that the test may stop.
    pub fn postgres(&self) -> &FaultServer {
        match &self.postgres {
            Postgres::Own(server) => server,
            Postgres::Shared(_) => panic!("the server is shared with other tests"),
        }
    }

    /// What publishes, and what it is all about, apart from each other.
    pub fn post_and_rest(&mut self) -> (&mut Post, Rest<'_>) {
        let Stack { postgres: Postgres::Own(postgres), pubsub, blob, rig, post, .. } = self else {
            panic!("the server is shared with other tests")
        };
        (post, Rest { postgres, pubsub, blob: blob.path(), pool: rig.pool() })
    }

    /// Crashes the Pub/Sub server and starts another on its port, with nothing in it.
    pub async fn restart_pubsub(&mut self) {
        let addr = self.pubsub.addr();
        let elsewhere = Server::start(pubsub_server::Config::for_testing()).await.unwrap();
        std::mem::replace(&mut self.pubsub, elsewhere).crash().await;
        let config = pubsub_server::Config { addr, ..pubsub_server::Config::for_testing() };
        self.pubsub = Server::start(config).await.unwrap();
        self.post.hang_up();
    }

    fn flags(&self) -> Vec<String> {
        self.flags_at("127.0.0.1:0".parse().unwrap())
    }

    /// Flags of a worker.
    pub fn flags_at(&self, http: SocketAddr) -> Vec<String> {
        let blob = self.blob.path().display();
        [
            format!("--database-url={}", self.rig.url),
            format!("--pubsub-emulator-host={}", self.pubsub.addr()),
            format!("--blob-url={blob}"),
            format!("--http-addr={http}"),
            "--pubsub-lease-seconds=10".to_owned(),
            "--batch-events=50".to_owned(),
            "--batches-in-flight=3".to_owned(),
        ]
        .into()
    }

    /// A worker in this process.
    pub async fn worker(&self) -> Worker {
        self.worker_with(&[]).await
    }

    pub async fn worker_with(&self, more: &[&str]) -> Worker {
        let flags = self.flags().into_iter().chain(more.iter().map(|flag| (*flag).to_owned()));
        let worker = Worker::start(flags).await;
        self.subscribed().await;
        worker
    }

    /// A worker in a process of its own.
    pub async fn child(&self) -> Process {
        let child = Process::start(["worker".to_owned()].into_iter().chain(self.flags()), Stdio::null());
        self.subscribed().await;
        child
    }

    /// `purser serve` in a process of its own, with these variables, whose log goes into `log`; where it answers.
    pub async fn serve(&self, variables: &[(&str, &str)], log: &Path) -> (Process, String) {
        let http = free_address();
        let flags = ["serve".to_owned()].into_iter().chain(self.flags_at(http));
        let child = Process::start_with(flags, variables, std::fs::File::create(log).unwrap().into());
        let url = format!("http://{http}");
        eventually("it answers", async || reqwest::get(format!("{url}/healthz")).await.is_ok()).await;
        self.subscribed().await;
        (child, url)
    }

    /// Waits until what is published is kept for the worker.
    pub async fn subscribed(&self) {
        for subscription in subscriptions() {
            let exists = async || self.pubsub.subscription_stats(&subscription).is_some();
            eventually("the subscription exists", exists).await;
        }
    }

    /// Publishes so many more purchases, 30 % of them broken.
    pub async fn publish(&mut self, count: usize) {
        let purchases = self.purchases.by_ref().take(count).collect();
        self.send(purchases).await;
    }

    /// Publishes so many more purchases, all of them broken.
    pub async fn publish_broken(&mut self, count: usize) {
        let purchases = self.purchases.by_ref().filter(|purchase| purchase.fault.is_some()).take(count).collect();
        self.send(purchases).await;
    }

    /// Publishes so many more purchases, none of them broken.
    pub async fn publish_good(&mut self, count: usize) {
        let purchases = self.purchases.by_ref().filter(|purchase| purchase.fault.is_none()).take(count).collect();
        self.send(purchases).await;
    }

    async fn send(&mut self, purchases: Vec<Purchase>) {
        let purchases = purchases.into_iter().map(|purchase| Sent::new("purchase", purchase.into(), Way::PubSub));
        self.post.publish(purchases).await;
    }

    /// Publishes a message that is no purchase of the shop's.
    pub async fn publish_message(&mut self, message: Message) {
        self.post.publish_message("purchases", message).await;
    }

    /// Publishes purchases where the publisher's connection is broken.
    pub async fn publish_on_a_new_connection(&mut self, count: usize) {
        self.post.hang_up();
        self.publish(count).await;
    }

    /// Publishes again what was published before, as a publisher whose reply was lost does.
    pub async fn publish_again(&mut self, count: usize) {
        self.post.publish_again((0..count).collect()).await;
    }

    /// The id of a purchase that is published already, and nothing is wrong with; and its payload.
    pub fn a_good_one(&self) -> (Uuid, Vec<u8>) {
        let mut good = self.post.book.sent().iter().filter_map(|sent| match &sent.expected[..] {
            [Expected::Row(key)] => Some((key.parse().ok()?, sent.payload.to_vec())),
            _ => None,
        });
        good.next().unwrap()
    }

    pub async fn stored(&self) -> i64 {
        self.rig.number("SELECT count(*) FROM purchases").await
    }

    /// Ids of all messages that are not acknowledged.
    pub fn unacknowledged(&self) -> Vec<String> {
        subscriptions().flat_map(|subscription| self.pubsub.unacked(&subscription)).collect()
    }

    /// Waits until every message is acknowledged.
    pub async fn acknowledged(&self) {
        eventually("every message is acknowledged", async || self.unacknowledged().is_empty()).await;
    }

    /// Waits until every dead letter is in the blob store.
    pub async fn shipped(&self) {
        eventually("every dead letter is shipped", async || {
            self.rig.number("SELECT count(*) FROM dead_letter_outbox").await == 0
        })
        .await;
    }

    /// Closes the accounts: everything that was published is exactly one row or one dead letter; the ledger,
    /// the rollups and the blob folder agree.
    pub async fn assert_exact(&self) -> Accounts {
        let accounts = self.rig.assert_accounts_agree().await;
        self.rig.assert_verified(Some(Blob::open(self.blob.path().to_str().unwrap()).unwrap())).await;
        let letters = letters(self.blob.path());
        self.post.book.assert_kept(self.rig.pool(), &letters).await;
        let index: Vec<(Uuid, String)> =
            sqlx::query_as("SELECT id, status FROM dead_letters ORDER BY id").fetch_all(self.rig.pool()).await.unwrap();
        let closed = closed(self.blob.path());
        let status = |id| closed.get(&id).map_or("open", String::as_str).to_owned();
        assert!(letters.iter().map(|letter| (letter.id, status(letter.id))).eq(index), "index = blob");
        accounts
    }
}

/// Full names of all that a worker pulls.
fn subscriptions() -> impl Iterator<Item = String> {
    KINDS.iter().map(|kind| format!("projects/data-engineering/subscriptions/{}", kind.subscription))
}

/// The shop whose users and articles stand in the database.
pub fn shop() -> Shop {
    Shop::open(1, 50, 20)
}

async fn prepare(url: String) -> anyhow::Result<()> {
    let pool = database::connect(&url, 2)?;
    database::migrate(&pool).await?;
    purser_producer::stock(&shop(), &pool).await?;
    pool.close().await;
    Ok(())
}

/// Free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A loaded machine runs many tests at once.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a condition, and says which one never came.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
