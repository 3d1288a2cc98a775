//! A history of made-up views, and the plain loop that answers questions about them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use purser_history::engine::{Engine, File, Question, Resources};
use purser_history::store::Store;
use purser_history::views::{Rows, View, Writer, parts};
use tempfile::TempDir;
use uuid::Uuid;

/// When, on what platform, which product.
pub(crate) type Viewed = (i64, &'static str, &'static str);

/// Lines of an answer.
pub(crate) type Answer = Vec<(i64, String, String, i64)>;

/// A folder with files, and what is in them.
pub(crate) struct History {
    pub(crate) folder: TempDir,
    pub(crate) views: Vec<Viewed>,
    pub(crate) files: Vec<File>,
}

impl History {
    /// Writes views into files, as many as they have platforms and days; and once more for the second half, so that
    /// a platform and day has several.
    pub(crate) async fn of(views: Vec<Viewed>) -> Self {
        let mut history = History { folder: tempfile::tempdir().unwrap(), views: Vec::new(), files: Vec::new() };
        let (first, second) = views.split_at(views.len() / 2);
        history.add(first).await;
        history.add(second).await;
        history
    }

    pub(crate) async fn add(&mut self, views: &[Viewed]) {
        let mut rows = Rows::default();
        for &(occurred_at, platform, product) in views {
            let id = Uuid::now_v7();
            let nothing = None;
            let view = View {
                id,
                occurred_at,
                received_at: 0,
                platform,
                product,
                mpid: nothing,
                session_id: nothing,
                event_id: nothing,
            };
            rows.push(view).unwrap();
        }
        for part in parts(&rows.take().unwrap()).unwrap() {
            let mut writer = Writer::begin(&self.store(), &part.platform, part.day).unwrap();
            writer.push(&part.rows).await.unwrap();
            let file = writer.finish().await.unwrap();
            self.files.push(File { path: file.path, bytes: file.bytes.try_into().unwrap() });
        }
        self.views.extend(views);
    }

    pub(crate) fn address(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(self.address()).unwrap()
    }

    pub(crate) fn path(&self, file: &File) -> PathBuf {
        self.folder.path().join(&file.path)
    }

    pub(crate) fn engine(&self) -> Engine {
        let resources = Resources { memory_mib: 64, spill_dir: None, spill_gib: 1 };
        Engine::here(resources.runtime(self.store().url()).unwrap(), 2)
    }

    /// All of a period, in hours.
    pub(crate) fn question(&self, start: &str, end: &str) -> Question {
        Question {
            files: self.files.clone(),
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            bucket_us: 3_600_000_000,
            product: None,
            platform: None,
            most: u64::MAX,
        }
    }

    /// What the answer has to be.
    pub(crate) fn expected(&self, question: &Question) -> Answer {
        let mut views = BTreeMap::<_, i64>::new();
        for &(at, platform, product) in &self.views {
            let time = DateTime::<Utc>::from_timestamp_micros(at).unwrap();
            let asked = |of: &Option<String>, is: &str| of.as_deref().is_none_or(|of| of == is);
            let within = time >= question.start && time < question.end;
            if within && asked(&question.product, product) && asked(&question.platform, platform) {
                let since = (time - question.start)
                    .num_nanoseconds()
                    .map_or_else(|| i128::from((time - question.start).num_microseconds().unwrap()) * 1000, i128::from);
                let bucket = since.div_euclid(i128::from(question.bucket_us) * 1000) as i64;
                *views.entry((bucket, platform.to_owned(), product.to_owned())).or_default() += 1;
            }
        }
        let lines = views.into_iter().map(|((bucket, platform, product), views)| (bucket, platform, product, views));
        lines.take(usize::try_from(question.most).unwrap_or(usize::MAX)).collect()
    }
}

/// Days of views with the skew of a shop: few products have most of them, many have one.
pub(crate) fn shop(views: usize) -> Vec<Viewed> {
    const PLATFORMS: [&str; 3] = ["iOS", "Android", "Web"];
    const PRODUCTS: [&str; 12] = [
        "p10",
        "p1",
        "p2",
        "P2",
        "\u{fc}ber",
        "z",
        "it's",
        "say \"hi\"",
        "a,b",
        "\\",
        "\u{1f6d2}",
        "a product whose name is longer than what fits into a view of a text",
    ];
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let midnight = micros("2016-01-03T00:00:00Z");
    let mut any = |_| {
        let at = midnight + random(3 * 86_400) as i64 * 1_000_000 + random(3) as i64;
        let product = random(12).min(random(12)).min(random(12));
        (at, PLATFORMS[random(3) as usize], PRODUCTS[product as usize])
    };
    (0..views).map(&mut any).collect()
}

pub(crate) fn micros(time: &str) -> i64 {
    time.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
}

/// A service on a port of its own, with room for one question.
pub(crate) async fn served(service: purser_history::serve::Service) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = purser_history::serve::router(service);
    tokio::spawn(async move {
        let limits = purser::api::Limits::default();
        purser::api::serve(listener, router, limits, &purser::shutdown::Shutdown::default()).await
    });
    url
}

/// The lines of a whole answer.
pub(crate) fn read(body: &str) -> Answer {
    let (lines, last) = body.trim_end().rsplit_once('\n').unwrap_or(("", body.trim_end()));
    let lines: Answer = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(last, format!("{{\"rows\":{}}}", lines.len()));
    lines
}

pub(crate) fn service(history: &History, engine: Engine) -> purser_history::serve::Service {
    purser_history::serve::Service {
        engine,
        store: history.store(),
        token: None,
        room: Arc::new(tokio::sync::Semaphore::new(1)),
        patience: std::time::Duration::from_secs(20),
        deadline: std::time::Duration::from_secs(60),
    }
}

/// A file that keeps its reader waiting until this is dropped.
pub(crate) struct Endless(PathBuf);

impl Endless {
    pub(crate) fn below(history: &History) -> (Self, Question) {
        let file = File { path: "endless.parquet".to_owned(), bytes: 100 };
        let pipe = Endless(history.path(&file));
        assert!(Command::new("mkfifo").arg(&pipe.0).status().unwrap().success());
        (pipe, Question { files: vec![file], ..history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z") })
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        // Without a writer its reader, a thread of the runtime, would keep the test from ending.
        let _ = OpenOptions::new().write(true).read(true).open(&self.0);
    }
}
