//! A stand-in for `purser-history serve`: counts views that a test has put into its files, by plain loops, and fails
//! in every way that it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::{self, Stream, StreamExt as _};
use purser::api::History;
use purser::config::HistoryConfig;
use purser::telemetry::Metrics;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// When, on which platform, and which product.
type View = (DateTime<Utc>, String, String);

/// What becomes of a question.
#[derive(Debug, Clone)]
pub enum Mood {
    Right,
    /// Answers this status.
    Status(u16),
    /// Says nothing.
    Silent,
    /// Says this, and ends.
    Says(&'static [u8]),
    /// Says so many bytes of the right answer, and then nothing.
    Stalls(usize),
    /// Says so many bytes of the right answer, and breaks the connection.
    Breaks(usize),
    /// Says so many bytes of the right answer, and ends in good order.
    Ends(usize),
}

pub struct Engine {
    pub url: String,
    pub shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

pub struct Shared {
    pub files: Mutex<BTreeMap<String, Vec<View>>>,
    pub mood: Mutex<Mood>,
    /// Every question so far.
    pub asked: Mutex<Vec<Value>>,
}

pub const TOKEN: &str = "t0ken";

impl Engine {
    pub async fn new() -> Engine {
        let (files, mood, asked) = (Mutex::default(), Mutex::new(Mood::Right), Mutex::default());
        Engine::at("127.0.0.1:0", Arc::new(Shared { files, mood, asked })).await
    }

    /// At an address, with what another one had.
    pub async fn at(address: &str, shared: Arc<Shared>) -> Engine {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/views", post(views)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Engine { url, shared, serving }
    }

    /// Nobody listens there any more when this returns.
    pub async fn stop(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// How the API asks it.
    pub fn history(&self, metrics: &Arc<Metrics>) -> History {
        let config = HistoryConfig { history_url: Some(format!("{}/", self.url)), history_token: Some(TOKEN.into()) };
        History::new(&config, Arc::clone(metrics)).unwrap().unwrap()
    }

    pub fn is(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// Moves views from before this out of the database, into a file for each platform and day, as one transaction.
    pub async fn take(&self, pool: &PgPool, before: DateTime<Utc>) {
        let mut tx = pool.begin().await.unwrap();
        let delete = "DELETE FROM product_views WHERE occurred_at < $1 RETURNING occurred_at, platform, product";
        let taken: Vec<View> = sqlx::query_as(delete).bind(before).fetch_all(&mut *tx).await.unwrap();
        let mut parts: BTreeMap<(String, NaiveDate), Vec<View>> = BTreeMap::new();
        for view in taken {
            parts.entry((view.1.clone(), view.0.date_naive())).or_default().push(view);
        }
        for ((platform, day), views) in parts {
            let path = format!("platform={platform}/day={day}/{}.parquet", Uuid::now_v7());
            let insert = sqlx::query(
                "INSERT INTO history_files (path, platform, day, rows, bytes, first_at, last_at, ids)
                 VALUES ($1, $2, $3, $4, 77, $5, $6, gen_random_uuid())",
            );
            let insert = insert.bind(&path).bind(platform).bind(day).bind(views.len() as i64);
            let (first, last) = (views.iter().map(|view| view.0).min(), views.iter().map(|view| view.0).max());
            insert.bind(first).bind(last).execute(&mut *tx).await.unwrap();
            self.shared.files.lock().unwrap().insert(path, views);
        }
        tx.commit().await.unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn views(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(question): Json<Value>) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    shared.asked.lock().unwrap().push(question.clone());
    let right = || answer(&question, &shared.files.lock().unwrap());
    let mood = shared.mood.lock().unwrap().clone();
    match mood {
        Mood::Right => right().into_response(),
        Mood::Status(status) => {
            let location = [("location", "http://127.0.0.1:1/secret")];
            (StatusCode::from_u16(status).unwrap(), location, "no: s3://secret").into_response()
        }
        Mood::Silent => std::future::pending().await,
        Mood::Says(text) => text.into_response(),
        Mood::Stalls(bytes) => streamed(&right()[..bytes], stream::pending()),
        Mood::Breaks(bytes) => streamed(&right()[..bytes], stream::iter([Err(io::Error::other("broken"))])),
        Mood::Ends(bytes) => right()[..bytes].to_owned().into_response(),
    }
}

fn streamed(first: &str, rest: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let first = stream::iter([Ok(Bytes::copy_from_slice(first.as_bytes()))]);
    Response::new(Body::from_stream(first.chain(rest)))
}

fn answer(question: &Value, files: &BTreeMap<String, Vec<View>>) -> String {
    let time = |name: &str| question[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let (start, end) = (time("start"), time("end"));
    let is = |name: &str, found: &str| question[name].as_str().is_none_or(|asked| asked == found);
    let mut counts = BTreeMap::new();
    for file in question["files"].as_array().unwrap() {
        for (at, platform, product) in &files[file["path"].as_str().unwrap()] {
            if *at >= start && *at < end && is("platform", platform) && is("product", product) {
                let micros = at.timestamp_micros() - start.timestamp_micros();
                let bucket = micros.div_euclid(question["bucket_us"].as_i64().unwrap());
                *counts.entry((bucket, platform, product)).or_insert(0) += 1;
            }
        }
    }
    let most = question["most"].as_u64().unwrap() as usize;
    let lines = counts
        .iter()
        .take(most)
        .map(|((bucket, platform, product), views)| format!("{}\n", json!([bucket, platform, product, views])));
    let lines: String = lines.collect();
    lines + &format!("{}\n", json!({"rows": counts.len().min(most)}))
}
