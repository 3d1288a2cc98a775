//! Questions out, events in: the HTTP service. Every route stands in one list, [`router`].

mod accept;
mod articles;
mod breakers;
mod ctr;
mod customers;
mod dead_letters;
mod docs;
mod events;
mod health;
mod index;
mod layers;
mod limits;
mod metrics_orders;
mod metrics_sessions;
mod metrics_time_to_order;
mod money;
mod monitor;
mod monitor_health;
mod openapi;
mod order_value;
mod orders;
mod parameters;
mod patience;
mod period;
mod problem;
mod purchases;
mod rejections;
mod sales_by_province;
mod sales_by_state;
mod sales_over_time;
mod server;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::config::AbConfig;
use crate::events::{AbEvent, Order};
use crate::health::Health;
use crate::intake::http::HttpIntake;
use crate::telemetry::Metrics;
use openapi::Routes;
use tokens::Guard;

pub use ctr::{Ctr, History};
pub use dead_letters::DeadLetters;
pub use layers::around;
pub use limits::{Crowded, Limits, too_long, too_many};
pub use problem::Problem;
pub use server::serve;
pub use tokens::{Tokens, admit};

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
    /// How much at once.
    pub limits: Limits,
    /// The largest event that is taken in.
    pub max_event_bytes: usize,
    /// How the split of an A/B test is judged.
    pub ab: AbConfig,
    /// How click-through rates are answered.
    pub ctr: Ctr,
    /// Where dead letters are, and what tries them again.
    pub dead_letters: DeadLetters,
    /// The Google Cloud project of the subscriptions.
    pub project: String,
}

/// Every route of the service, under the token that guards it, documented at `/openapi.json`.
pub fn router(api: Api) -> Router {
    // A client in the field joins its base URL and the path with one slash too many.
    let events = Routes::default()
        .route("/events/{kind}", events::submit_any())
        .route("/create", events::submit_as::<Order>())
        .route("/receive_event", events::submit_as::<AbEvent>())
        .alias("//receive_event", events::submit_as::<AbEvent>())
        .guarded(&api, Guard::Ingest);
    let root = Routes::default().route("/", routes!(orders::newest)).guarded(&api, Guard::Api).with_index();
    let personal = Routes::default()
        .route("/purchases/{id}", routes!(purchases::show))
        .route("/customers/top", routes!(customers::top))
        .route("/dead-letters", routes!(dead_letters::groups))
        .route("/dead-letters/records", routes!(dead_letters::records))
        .route("/dead-letters/{id}", routes!(dead_letters::show))
        .route("/dead-letters/replay", routes!(dead_letters::replay))
        .route("/dead-letters/discard", routes!(dead_letters::discard))
        .route("/breakers/{kind}", routes!(breakers::order))
        .guarded(&api, Guard::Api);
    let sums = Routes::default()
        .route("/articles/top", routes!(articles::top))
        .route("/sales/states", routes!(sales_by_state::states))
        .route("/sales/over-time", routes!(sales_over_time::over_time))
        .route("/sales/province", routes!(sales_by_province::province))
        .route("/orders/value", routes!(order_value::value))
        .route("/rejections/summary", routes!(rejections::summary))
        .route("/breakers", routes!(breakers::list))
        .route("/monitor", routes!(monitor::events))
        .alias("//monitor", routes!(monitor::events))
        .route("/monitor/health", routes!(monitor_health::health))
        .route("/ctr", routes!(ctr::ask, ctr::ask_with_body))
        .route("/metrics/orders", routes!(metrics_orders::before_order))
        .route("/metrics/sessions", routes!(metrics_sessions::by_referrer))
        .route("/metrics/time-to-order", routes!(metrics_time_to_order::time_to_order))
        .guarded(&api, Guard::Read);

    finish(operations().merge(events).merge(root).merge(personal).merge(sums).published(), api)
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
    let metrics = Arc::clone(&api.metrics);
    let routes = routes.with_state(api);
    layers::around(routes.fallback(no_such_path).method_not_allowed_fallback(no_such_method), metrics)
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

    /// The first `limit` of items, of which one more was looked for; the rest begins behind the key of the
    /// last one.
    fn page<K: Serialize>(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> K) -> Self {
        let more = i64::try_from(items.len()).is_ok_and(|found| found > limit);
        items.truncate(items.len() - usize::from(more));
        let next = items.last().filter(|_| more).map(key);
        List::with_next(items, next)
    }

    /// A page, and the key behind which the rest begins.
    fn with_next(items: Vec<T>, next: Option<impl Serialize>) -> Self {
        List { items, next: next.and_then(|key| parameters::write_cursor(&key)) }
    }
}
