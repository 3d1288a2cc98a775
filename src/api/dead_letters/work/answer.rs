//! Answering long work: all at once, or line by line while it goes on. Whoever hangs up ends it, in order.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::problem::Problem;
use crate::api::{Api, List};
use crate::shutdown::Shutdown;

/// The media type of lines.
const NDJSON: &str = "application/x-ndjson";
/// Lines that wait for the client to read them; more are left out.
const WAITING: usize = 8;
/// How long the last line waits to be read.
const STALLED: Duration = Duration::from_secs(30);

/// How far the work has come.
pub(super) struct Progress {
    of: i64,
    lines: Option<mpsc::Sender<Bytes>>,
}

impl Progress {
    /// So many are done.
    pub(super) fn is(&self, done: u64) {
        if let Some(lines) = &self.lines {
            // A client that reads slowly misses some lines.
            let _ = lines.try_send(line(&json!({"done": done, "of": self.of})));
        }
    }
}

/// Does the work and answers it. It is told to stop when the service is, or when nobody waits any more.
pub(super) async fn answer<T, W, F>(api: &Api, headers: &HeaderMap, of: i64, work: W) -> Result<Response, Problem>
where
    T: Serialize + Send + 'static,
    W: FnOnce(Api, Shutdown, Progress) -> F,
    F: Future<Output = Result<List<T>, Problem>> + Send + 'static,
{
    let shutdown = api.dead_letters.pipeline.shutdown.child();
    let waits = shutdown.soft().clone().drop_guard();
    let wants_lines = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == NDJSON.as_bytes());
    let (sender, lines) = mpsc::channel(WAITING);
    let progress = Progress { of, lines: wants_lines.then(|| sender.clone()) };
    let working = tokio::spawn(work(api.clone(), shutdown, progress));
    if !wants_lines {
        let done = working.await.map_err(|_| Problem::fault())??;
        return Ok(Json(done).into_response());
    }
    tokio::spawn(async move {
        let last = match working.await {
            Ok(Ok(done)) => line(&done),
            Ok(Err(problem)) => line(&problem),
            Err(_) => line(&Problem::fault()),
        };
        let _ = timeout(STALLED, sender.send(last)).await;
    });
    let lines = stream::unfold((lines, waits), async |(mut lines, waits)| {
        let line = lines.recv().await?;
        Some((Ok::<_, Infallible>(line), (lines, waits)))
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

fn line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
