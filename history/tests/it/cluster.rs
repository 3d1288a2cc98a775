//! Answers of a cluster: those of this process, whoever of it is lost.

use std::fs::{self, File as Log};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use purser_history::engine::{Engine, File, Question, Resources, Trouble};
use reqwest::Response;
use serde_json::Value;
use tokio::time::sleep;

use crate::history::{Endless, History, read, served, service, shop};

/// A process of a cluster. Dropped, it is killed.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(history: &History, name: &str, args: &[&str]) -> Self {
        let log = history.folder.path().join(format!("{name}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser-history"));
        command.args(args).args(["--store", history.address()]).env("RUST_LOG", "warn,ballista_executor=info");
        let child = command.stderr(Log::create(&log).unwrap()).spawn().unwrap();
        Process { child, log }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    async fn says(&self, text: &str) {
        until(|| async { fs::read_to_string(&self.log).unwrap().contains(text) }).await;
    }

    async fn ends(&mut self) -> bool {
        until(|| std::future::ready(self.child.try_wait().unwrap().is_some())).await;
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "what a failed test is read by")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Waits for a condition that another process brings about.
async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(50), "it never came about");
        sleep(Duration::from_millis(20)).await;
    }
}

fn port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

struct Cluster {
    scheduler: Process,
    executors: Vec<Process>,
    work: tempfile::TempDir,
    port: String,
}

impl Cluster {
    async fn of(history: &History, executors: usize) -> Self {
        let (port, work) = (port(), tempfile::tempdir().unwrap());
        let scheduler = Cluster::scheduler(history, &port);
        let mut cluster = Cluster { scheduler, executors: Vec::new(), work, port };
        for name in 0..executors {
            let ports = [self::port(), self::port()];
            let url = format!("df://127.0.0.1:{}", cluster.port);
            let work = cluster.work.path().to_str().unwrap();
            let args = ["executor", "--cluster", &url, "--port", &ports[0], "--grpc-port", &ports[1], "--cores", "1"];
            let args = [&args[..], &["--work-dir", work, "--memory-mib", "256"]].concat();
            cluster.executors.push(Process::start(history, &format!("executor-{name}"), &args));
        }
        cluster.has(executors).await;
        cluster
    }

    fn scheduler(history: &History, port: &str) -> Process {
        Process::start(history, "scheduler", &["scheduler", "--addr", &format!("127.0.0.1:{port}")])
    }

    async fn has(&self, executors: usize) {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        let all = format!("ready: {executors} executors");
        until(|| async {
            let Ok(response) = reqwest::get(&url).await else { return false };
            response.text().await.is_ok_and(|text| text.starts_with(&all))
        })
        .await;
    }

    fn engine(&self, history: &History) -> Engine {
        let resources = Resources { memory_mib: 64, spill_dir: None, spill_gib: 1 };
        let runtime = resources.runtime(history.store().url()).unwrap();
        Engine::of_cluster(format!("df://127.0.0.1:{}", self.port).parse().unwrap(), runtime, 4).unwrap()
    }

    /// Rows that executors keep.
    fn kept(&self) -> usize {
        let folders = fs::read_dir(self.work.path()).unwrap();
        folders.map(|folder| fs::read_dir(folder.unwrap().path().join("rows")).unwrap().count()).sum()
    }
}

async fn post(url: &str, question: &Question) -> Response {
    reqwest::Client::new().post(format!("{url}/views")).json(question).send().await.unwrap()
}

fn all(history: &History) -> Question {
    history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_answers_what_a_process_does() {
    let history = History::of(shop(2000)).await;
    let cluster = Cluster::of(&history, 2).await;
    let url = served(service(&history, cluster.engine(&history))).await;
    for (start, end, product, platform, bucket_us, most) in [
        ("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z", None, None, 3_600_000_000, 1_000_001),
        ("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z", None, None, 60_000_000, 100),
        ("2016-01-03T13:55:00Z", "2016-01-04T12:00:00Z", Some("it's"), None, 86_400_000_000, 1_000_001),
        ("2016-01-03T13:55:00Z", "2016-01-04T12:00:00Z", None, Some("iOS"), i64::MAX, 1_000_001),
        ("2015-01-03T00:00:00Z", "2015-01-06T00:00:00Z", None, None, 1, 1_000_001),
    ] {
        let (product, platform) = (product.map(str::to_owned), platform.map(str::to_owned));
        let question = Question { product, platform, bucket_us, most, ..history.question(start, end) };
        let answer = post(&url, &question).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        assert_eq!(read(&answer.text().await.unwrap()), history.expected(&question), "{question:?}");
    }
    assert_eq!(reqwest::get(format!("{url}/readyz")).await.unwrap().status(), 200);
    until(|| std::future::ready(cluster.kept() == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_passes_on_a_cluster_too() {
    let history = History::of(shop(100)).await;
    let cluster = Cluster::of(&history, 1).await;
    let engine = cluster.engine(&history);
    let files = vec![File { path: "platform=iOS/day=2016-01-03/gone.parquet".to_owned(), bytes: 4000 }];
    let Err(trouble) = engine.ask(&Question { files, ..all(&history) }).await else { panic!("there is an answer") };
    assert!(matches!(&trouble, Trouble::Away { what, .. } if what.contains("not in the store")), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_fails_no_question() {
    let history = History::of(shop(400_000)).await;
    let cluster = Cluster::of(&history, 2).await;
    let url = served(service(&history, cluster.engine(&history))).await;
    let question = all(&history);
    let asking = tokio::spawn({
        let (url, question) = (url.clone(), question.clone());
        async move { post(&url, &question).await.text().await.unwrap() }
    });
    cluster.executors[0].says("Execute task").await;
    cluster.executors[0].signal("-9");
    assert!(!asking.is_finished());
    let killed = Instant::now();
    assert_eq!(read(&asking.await.unwrap()), history.expected(&question));
    println!("answered {:?} after the kill", killed.elapsed());
    assert_eq!(read(&post(&url, &question).await.text().await.unwrap()), history.expected(&question));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_scheduler_is_told_and_found_again() {
    let history = History::of(shop(500)).await;
    let mut cluster = Cluster::of(&history, 1).await;
    let url = served(service(&history, cluster.engine(&history))).await;
    let (endless, question) = Endless::below(&history);
    let asking = tokio::spawn({
        let url = url.clone();
        async move { post(&url, &question).await }
    });
    cluster.executors[0].says("Execute task").await;
    cluster.scheduler.signal("-9");
    let away = async |response: Response| {
        let status = response.status();
        let problem: Value = response.json().await.unwrap();
        assert_eq!((status.as_u16(), problem["status"].as_u64()), (503, Some(503)));
        assert!(problem["detail"].as_str().unwrap().contains("scheduler"), "{problem}");
    };
    away(asking.await.unwrap()).await;
    away(post(&url, &all(&history)).await).await;
    assert_eq!(reqwest::get(format!("{url}/readyz")).await.unwrap().status(), 503);
    drop(endless);
    cluster.scheduler = Cluster::scheduler(&history, &cluster.port);
    cluster.has(1).await;
    let answer = post(&url, &all(&history)).await.text().await.unwrap();
    assert_eq!(read(&answer), history.expected(&all(&history)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_makes_room_on_the_cluster() {
    let history = History::of(shop(500)).await;
    let cluster = Cluster::of(&history, 1).await;
    let url = served(service(&history, cluster.engine(&history))).await;
    let (_endless, question) = Endless::below(&history);
    let asking = tokio::spawn({
        let url = url.clone();
        async move { post(&url, &question).await }
    });
    cluster.executors[0].says("Execute task").await;
    asking.abort();
    let answer = post(&url, &all(&history)).await.text().await.unwrap();
    assert_eq!(read(&answer), history.expected(&all(&history)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_told_to_stop_leaves_nothing_behind() {
    let history = History::of(shop(500)).await;
    let mut cluster = Cluster::of(&history, 2).await;
    let url = served(service(&history, cluster.engine(&history))).await;
    let mut stopped = cluster.executors.remove(0);
    stopped.signal("-TERM");
    let answer = post(&url, &all(&history)).await.text().await.unwrap();
    assert_eq!(read(&answer), history.expected(&all(&history)));
    assert!(stopped.ends().await);
    assert_eq!(fs::read_dir(cluster.work.path()).unwrap().count(), 1);
}
