//! How much of the service anybody may take up. What tells how the process is stands outside of these
//! limits: nobody can keep a probe from its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use super::tokens::Guard;
use crate::config::HttpConfig;

/// The most bytes of a query.
const QUERY_BYTES: usize = 8192;
/// How long a question may take until its answer begins. Each statement of it may take 30 seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// The limits of a process. Clones share what is taken up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections that are answered; a few more are told to come again.
    pub connections: usize,
    /// How long a connection may take to bring its next request.
    pub idle: Duration,
    /// How long a question may take until its answer begins.
    pub deadline: Duration,
    /// Room for questions that are being answered.
    pub questions: Arc<Semaphore>,
    /// Room for requests that bring events.
    pub submissions: Arc<Semaphore>,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn new(config: &HttpConfig) -> Self {
        let HttpConfig { http_connections, http_requests, http_idle_seconds, .. } = config;
        Limits::of(*http_connections, *http_requests, Duration::from_secs(*http_idle_seconds))
    }

    fn of(connections: usize, requests: usize, idle: Duration) -> Self {
        let room = || Arc::new(Semaphore::new(requests));
        Limits { connections, idle, deadline: DEADLINE, questions: room(), submissions: room() }
    }
}

impl Default for Limits {
    /// As nothing is configured.
    fn default() -> Self {
        Limits::of(1000, 500, Duration::from_secs(30))
    }
}

/// Says of a request that its connection is one too many.
#[derive(Debug, Clone, Copy)]
pub struct Crowded;

/// Answers a request when there is room for it. Its room is free again when the whole answer is sent, or the
/// client has gone.
pub(super) async fn within(limits: &Limits, guard: Guard, request: Request, next: Next) -> Result<Response, Problem> {
    if request.uri().query().is_some_and(|query| query.len() > QUERY_BYTES) {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, format!("the query is longer than {QUERY_BYTES} bytes")));
    }
    let room = if guard == Guard::Ingest { &limits.submissions } else { &limits.questions };
    let crowded = request.extensions().get::<Crowded>().is_some();
    let permit = Arc::clone(room).try_acquire_owned().ok().filter(|_| !crowded).ok_or_else(too_many)?;
    let answer = next.run(request);
    let response = match guard {
        // How long events may take to arrive and to be decided is bounded where that is done.
        Guard::Ingest => answer.await,
        Guard::Api | Guard::Read => tokio::time::timeout(limits.deadline, answer).await.map_err(|_| too_long())?,
    };
    Ok(response.map(|body| Body::new(Holding { body, _room: permit })))
}

/// 503: what there is room for is taken up.
#[must_use]
pub fn too_many() -> Problem {
    Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being answered at the moment")
}

/// 503: the time for an answer is over.
#[must_use]
pub fn too_long() -> Problem {
    Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, "there was no answer in time")
}

/// A body that takes up room until it is sent.
struct Holding {
    body: Body,
    _room: OwnedSemaphorePermit,
}

impl HttpBody for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
