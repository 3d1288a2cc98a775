//! What answers the questions of Purser's API, over HTTP.
//!
//! `POST /views` takes a [`Question`](crate::engine::Question) and answers a line per group, and a last one that says
//! how many there were: without it, the answer has broken off. `GET /healthz` and `GET /readyz` tell how the process
//! is.

mod answer;
mod health;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use purser::api::{self, Problem};
use purser::secret::Secret;
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::store::Store;

/// What the handlers need.
#[derive(Debug)]
pub struct Service {
    /// What knows the answers.
    pub engine: Engine,
    /// Where the files are.
    pub store: Store,
    /// Who brings it may ask; unset, everybody may.
    pub token: Option<Secret>,
    /// Room for questions that are worked on, and answers on their way.
    pub room: Arc<Semaphore>,
    /// How long a question waits for room.
    pub patience: Duration,
    /// How long it may take until its answer begins.
    pub deadline: Duration,
}

/// Every route of the service.
pub fn router(service: Service) -> Router {
    let routes = Router::new()
        .route("/views", post(views::views))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method);
    api::around(routes.with_state(Arc::new(service)), Arc::default())
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not answer that", uri.path()))
}
