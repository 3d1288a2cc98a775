//! Questions out, events in: the HTTP service. Every route stands in one list, [`router`].

mod articles;
mod ctr;
mod docs;
mod events;
mod health;
mod layers;
mod money;
mod openapi;
mod parameters;
mod period;
mod problem;
mod purchases;
mod rejections;
mod sales_by_state;
mod sales_over_time;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use serde::Serialize;
use sqlx::PgPool;
use tokio::net::TcpListener;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::health::Health;
use crate::intake::http::HttpIntake;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
use openapi::Routes;
use problem::Problem;
use tokens::Guard;

pub use ctr::Ctr;
pub use tokens::Tokens;

/// What the handlers need. Clones share it.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where questions are answered from.
    pub pool: PgPool,
    /// What takes events in, by the name of their kind.
    pub intakes: Arc<BTreeMap<&'static str, HttpIntake>>,
    /// What `GET /readyz` tells of the other tasks of the process.
    pub health: Health,
    /// What `GET /metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Who may ask what.
    pub tokens: Arc<Tokens>,
    /// The largest event that is taken in.
    pub max_event_bytes: usize,
    /// How click-through rates are answered.
    pub ctr: Ctr,
}

/// Every route of the service, under the token that guards it, and what [`openapi`] says of them.
pub fn router(api: Api) -> Router {
    let events = Routes::default().route("/events/{kind}", routes!(events::submit)).guarded(&api, Guard::Ingest);
    let personal = Routes::default().route("/purchases/{id}", routes!(purchases::show)).guarded(&api, Guard::Api);
    let sums = Routes::default()
        .route("/articles/top", routes!(articles::top))
        .route("/sales/states", routes!(sales_by_state::states))
        .route("/sales/over-time", routes!(sales_over_time::over_time))
        .route("/rejections/summary", routes!(rejections::summary))
        .route("/ctr", routes!(ctr::ask, ctr::ask_with_body))
        .guarded(&api, Guard::Read);

    finish(operations().merge(events).merge(personal).merge(sums).published(), api)
}

/// The routes of a process that only works: how it is.
pub fn operations_router(api: Api) -> Router {
    finish(operations().unpublished(), api)
}

fn operations() -> Routes {
    Routes::default()
        .route("/healthz", routes!(health::alive))
        .route("/readyz", routes!(health::ready))
        .route("/metrics", routes!(health::metrics))
}

fn finish(routes: Router<Api>, api: Api) -> Router {
    let routes = routes.with_state(api);
    layers::around(routes.fallback(no_such_path).method_not_allowed_fallback(no_such_method))
}

/// Serves until the process is told to stop and the requests in flight are answered, or it gives up.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown) -> anyhow::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let soft = shutdown.soft().clone();
    let serve = axum::serve(listener, service).with_graceful_shutdown(async move { soft.cancelled().await });
    match shutdown.unless_given_up(serve.into_future()).await {
        Ok(served) => Ok(served?),
        Err(_stopped) => {
            tracing::warn!("requests in flight were not answered");
            Ok(())
        }
    }
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not answer {method}", uri.path()))
}

/// What stands where an address has no state.
const UNKNOWN: &str = "unknown";

/// The shape of every list.
#[derive(Debug, Serialize, ToSchema)]
struct List<T> {
    items: Vec<T>,
    /// Where the rest begins; null when this is all.
    #[schema(required)]
    next: Option<String>,
}

impl<T> List<T> {
    fn all(items: Vec<T>) -> Self {
        List { items, next: None }
    }
}
