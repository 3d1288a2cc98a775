//! Everything around a worker: a Pub/Sub server, a database, a blob folder, and what was published,
//! so that the accounts can be closed at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use private_postgres::testing::{FaultServer, TestDatabase, database_with};
use pubsub_server::Server;
use purser::blob::Blob;
use purser::config::Config;
use purser::database;
use purser::service::{Roles, Service};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use purser_producer::{Purchase, Purchases, Shop};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Accounts, Rig};

const TOPIC: &str = "projects/data-engineering/topics/purchases";
const SUBSCRIPTION: &str = "projects/data-engineering/subscriptions/purser-purchases";

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
    purchases: Purchases,
    published: BTreeMap<Uuid, Purchase>,
    publisher: Publisher,
}

/// A worker inside the test process.
pub struct Worker {
    addr: SocketAddr,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    /// What `/readyz` says of one service.
    pub async fn readiness(&self, service: &str) -> String {
        let ready = reqwest::get(format!("http://{}/readyz", self.addr)).await.unwrap();
        let ready: serde_json::Value = ready.json().await.unwrap();
        ready["checks"][service].as_str().unwrap_or_default().to_owned()
    }

    /// What `/metrics` says of one series.
    pub async fn metric(&self, series: &str) -> f64 {
        let value = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
        };
        value(&self.metrics().await)
    }

    /// All that `/metrics` says.
    pub async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.addr)).await.unwrap().text().await.unwrap()
    }

    /// Stops it as Ctrl-C would, and waits until it is done.
    pub async fn stop(self) {
        self.shutdown.stop();
        self.running.await.unwrap().unwrap();
    }
}

/// A worker in a process of its own, which ends with the test, however that ends.
pub struct Process(Child);

impl std::ops::Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
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
        let publisher = publisher(&pubsub).await;
        let purchases = Purchases::new(&shop(), 11, 0.3);
        let (rig, blob) = (Rig::on(&url), tempfile::tempdir().unwrap());
        Stack { postgres, pubsub, blob, rig, purchases, published: BTreeMap::new(), publisher }
    }

    /// The server that the test may stop.
    pub fn postgres(&self) -> &FaultServer {
        match &self.postgres {
            Postgres::Own(server) => server,
            Postgres::Shared(_) => panic!("the server is shared with other tests"),
        }
    }

    fn flags(&self) -> Vec<String> {
        self.flags_at("127.0.0.1:0".parse().unwrap())
    }

    fn flags_at(&self, http: SocketAddr) -> Vec<String> {
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
        let more = more.iter().map(|flag| (*flag).to_owned());
        let flags = Flags::parse_from(["worker".to_owned()].into_iter().chain(self.flags()).chain(more));
        let shutdown = Shutdown::default();
        let service = Service::new(flags.config, Arc::new(Metrics::default()), shutdown.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let running = tokio::spawn(service.run(Roles { worker: true, api: false }, listener));
        self.subscribed().await;
        Worker { addr, shutdown, running }
    }

    /// A worker in a process of its own.
    pub async fn child(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.arg("worker").args(self.flags()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = Process(command.spawn().unwrap());
        self.subscribed().await;
        child
    }

    /// `purser serve` in a process of its own, with these variables, whose log goes into `log`; where it answers.
    pub async fn serve(&self, variables: &[(&str, &str)], log: &Path) -> (Process, String) {
        // Free a moment ago.
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.arg("serve").args(self.flags_at(http)).envs(variables.iter().copied());
        command.stdout(Stdio::null()).stderr(std::fs::File::create(log).unwrap());
        let child = Process(command.spawn().unwrap());
        let url = format!("http://{http}");
        eventually("it answers", async || reqwest::get(format!("{url}/healthz")).await.is_ok()).await;
        self.subscribed().await;
        (child, url)
    }

    async fn subscribed(&self) {
        eventually("the subscription exists", async || self.pubsub.subscription_stats(SUBSCRIPTION).is_some()).await;
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
        let sent: Vec<_> = purchases
            .iter()
            .map(|purchase| self.publisher.publish(Message::new().set_data(purchase.payload.clone())))
            .collect();
        for sent in sent {
            sent.await.unwrap();
        }
        self.published.extend(purchases.into_iter().map(|purchase| (purchase.id, purchase)));
    }

    /// Publishes a message that is no purchase of the shop's.
    pub async fn publish_message(&self, message: Message) {
        self.publisher.publish(message).await.unwrap();
    }

    /// Publishes purchases where the publisher's connection is broken.
    pub async fn publish_on_a_new_connection(&mut self, count: usize) {
        self.publisher = publisher(&self.pubsub).await;
        self.publish(count).await;
    }

    /// Publishes again what was published before, as a publisher whose reply was lost does.
    pub async fn publish_again(&self, count: usize) {
        for purchase in self.published.values().take(count) {
            self.publisher.publish(Message::new().set_data(purchase.payload.clone())).await.unwrap();
        }
    }

    /// A payload that is published already, and nothing is wrong with.
    pub fn a_good_payload(&self) -> Vec<u8> {
        self.published.values().find(|purchase| purchase.fault.is_none()).unwrap().payload.to_vec()
    }

    pub async fn stored(&self) -> i64 {
        self.rig.number("SELECT count(*) FROM purchases").await
    }

    /// Waits until every message is acknowledged.
    pub async fn acknowledged(&self) {
        eventually("every message is acknowledged", async || self.pubsub.unacked(SUBSCRIPTION).is_empty()).await;
    }

    /// Waits until every dead letter is in the blob store.
    pub async fn shipped(&self) {
        eventually("every dead letter is shipped", async || {
            self.rig.number("SELECT count(*) FROM dead_letter_outbox").await == 0
        })
        .await;
    }

    /// Closes the accounts: every id that was published is exactly one row or one dead letter; the ledger,
    /// the rollups and the blob folder agree.
    pub async fn assert_exact(&self) -> Accounts {
        let accounts = self.rig.assert_accounts_agree().await;
        self.rig.assert_verified(Some(Blob::open(self.blob.path().to_str().unwrap()).unwrap())).await;
        let ids = |fault: bool| -> BTreeSet<Uuid> {
            self.published.values().filter(|purchase| purchase.fault.is_some() == fault).map(|one| one.id).collect()
        };
        let rows: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM purchases").fetch_all(self.rig.pool()).await.unwrap();
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), ids(false), "every good one is a row");
        let letters = self.shipped_letters();
        let keys: Vec<Uuid> = letters.values().map(|(purchase, _)| *purchase).collect();
        assert_eq!(keys.len(), ids(true).len(), "no dead letter twice");
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), ids(true), "every broken one is a dead letter");
        for (purchase, payload) in letters.values() {
            assert_eq!(payload.as_bytes(), self.published[purchase].payload, "byte for byte");
        }
        let indexed: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM dead_letters").fetch_all(self.rig.pool()).await.unwrap();
        assert_eq!(indexed.into_iter().collect::<BTreeSet<_>>(), letters.into_keys().collect(), "index = blob");
        accounts
    }

    /// Every record of the blob folder by its id: the purchase and the payload. Panics when one stands twice.
    fn shipped_letters(&self) -> BTreeMap<Uuid, (Uuid, String)> {
        let mut letters = BTreeMap::new();
        for line in lines_below(&self.blob.path().join("dead-letter")) {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            let uuid = |value: &serde_json::Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
            let payload = record["payload"]["data"].as_str().unwrap().to_owned();
            let twice = letters.insert(uuid(&record["id"]), (uuid(&record["keys"]["purchase_id"]), payload));
            assert!(twice.is_none(), "{line} stands twice");
        }
        letters
    }
}

async fn publisher(pubsub: &Server) -> Publisher {
    let builder = Publisher::builder(TOPIC).with_endpoint(pubsub.endpoint());
    builder.with_credentials(Anonymous::new().build()).build().await.unwrap()
}

/// The shop whose users and articles stand in the database.
fn shop() -> Shop {
    Shop::open(1, 50, 20)
}

async fn prepare(url: String) -> anyhow::Result<()> {
    let pool = database::connect(&url, 2)?;
    database::migrate(&pool).await?;
    purser_producer::stock(&shop(), &pool).await?;
    pool.close().await;
    Ok(())
}

/// Every line of every `.ndjson` file below a folder.
pub fn lines_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut lines = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            lines.extend(lines_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "ndjson") {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

/// Waits for a condition, and says which one never came.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
