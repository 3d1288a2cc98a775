//! The click-through rate: purchases per product view.

mod answer;
mod buckets;
mod history;
mod lines;
mod question;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Api;
use super::parameters::Query;
use super::problem::{Fault, Problem};
use crate::config::CtrConfig;
use answer::{Answer, Counted};
use question::{Parameters, Question};

pub use history::History;

/// How click-through rates are answered. Clones share it.
#[derive(Debug, Clone)]
pub struct Ctr {
    /// In lower case.
    cancelled: Arc<[String]>,
    /// Each answer being read holds a connection to the database.
    room: Arc<Semaphore>,
    most_rows: usize,
    history: Option<History>,
}

impl Ctr {
    /// As configured.
    #[must_use]
    pub fn new(config: &CtrConfig) -> Self {
        let cancelled = config.ctr_cancelled_statuses.iter().map(|status| status.trim().to_lowercase()).collect();
        Ctr { cancelled, room: Arc::new(Semaphore::new(AT_ONCE)), most_rows: MOST_ROWS, history: None }
    }

    /// With other bounds of an answer than a million rows.
    #[must_use]
    pub fn with_most_rows(self, most_rows: usize) -> Self {
        Ctr { most_rows, ..self }
    }

    /// With a history that is asked for the views that the database does not hold any more.
    #[must_use]
    pub fn with_history(self, history: Option<History>) -> Self {
        Ctr { history, ..self }
    }
}

/// The most rows of an answer.
const MOST_ROWS: usize = 1_000_000;
/// Answers that are read at once.
const AT_ONCE: usize = 8;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// One product on one platform in one bucket of time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document alone is made of it")]
struct Rate {
    /// When the bucket begins, on the clocks of `tz`.
    timestamp: String,
    platform: String,
    product: String,
    /// Purchases divided by views, with four decimals, half up; null where nobody viewed what was bought.
    #[schema(rename = "CTR", required)]
    ctr: Option<f64>,
}

/// Click-through rate by time, platform and product.
///
/// Purchases divided by product views. Purchases are rows of `order_items`, whatever their quantity, that name
/// a product and whose order is not cancelled; which statuses mean that is configured
/// (`CTR_CANCELLED_STATUSES`, by default `canceled` and `cancelled`, in any case). They count at the time of
/// their order, on its `device_type`; `unknown` where it has none. Platforms are `iOS`, `Android` and
/// `MobileWeb`, however they were written; any other is in lower case.
///
/// Buckets begin at `startTimestamp`, to the second, and are `aggregation` minutes long; the last one is cut at
/// `endTimestamp`. All are equally long, also where the clocks of `tz` are changed within the period: after an
/// hour is skipped they begin an hour later, and an hour that the clocks show twice is answered twice. A time
/// that they show twice means the earlier one; one that they skip is refused.
///
/// Days whose views were moved out of the database, into the history, count like any other: whatever the period, each
/// view counts once. While the history cannot be asked, what reaches into it is answered 503, and never in part.
///
/// By bucket, platform and product, bytewise; only combinations with a view or a purchase. More than a million
/// rows: 400. Large answers are streamed: one that does not end in `]` is not whole, and its connection was
/// broken. A client that reads nothing for 30 seconds, or is not done after five minutes, is cut off.
#[utoipa::path(
    get,
    path = "",
    tag = "Product views",
    params(Parameters),
    responses(
        (
            status = 200,
            description = "The rates",
            body = Vec<Rate>,
            example = json!([
                {"timestamp": "2016-01-03 13:55:00", "platform": "iOS", "product": "20008657_002", "CTR": 0.0150},
            ]),
        ),
        (
            status = 503,
            description = "The database, or the history that the period reaches into, cannot be asked at the moment: \
                           try again after `Retry-After` seconds. Without that header the service is not told where \
                           the history is (`HISTORY_URL`).",
            body = Problem,
            headers(("Retry-After" = u16)),
        ),
    ),
)]
pub(super) async fn ask(State(api): State<Api>, query: Query) -> Result<Response, Problem> {
    answer(&api, Question::read(query)?).await
}

/// Click-through rate by time, platform and product, asked with a body.
///
/// The body is a JSON object with the parameters of `GET /ctr`, which says what is answered. Numbers may be
/// written as texts; null is as good as absent.
#[utoipa::path(
    post,
    path = "",
    tag = "Product views",
    request_body(content((
        Parameters = "application/json",
        example = json!({
            "startTimestamp": "2016-01-03 13:55:00", "endTimestamp": "2016-01-03 14:55:00", "aggregation": 10,
            "product": "20008657_002", "platform": "iOS", "tz": "America/Sao_Paulo",
        }),
    ))),
    responses(
        (
            status = 200,
            description = "The rates",
            body = Vec<Rate>,
            example = json!([
                {"timestamp": "2016-01-03 13:55:00", "platform": "iOS", "product": "20008657_002", "CTR": 0.0150},
            ]),
        ),
        (status = 408, description = "The body did not arrive within 5 seconds.", body = Problem),
        (status = 413, description = "The body is larger than 64 KiB.", body = Problem),
        (
            status = 503,
            description = "As of `GET /ctr`: the database or the history cannot be asked at the moment.",
            body = Problem,
            headers(("Retry-After" = u16)),
        ),
    ),
)]
pub(super) async fn ask_with_body(State(api): State<Api>, query: Query, body: Body) -> Result<Response, Problem> {
    query.finish()?;
    answer(&api, Question::read(Query::of_body(body).await?)?).await
}

async fn answer(api: &Api, question: Question) -> Result<Response, Problem> {
    let (ctr, pool) = (api.ctr.clone(), api.pool.clone());
    let most = ctr.most_rows;
    let turn = timeout(PATIENCE, Arc::clone(&ctr.room).acquire_owned()).await;
    let busy = || Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, "too many rates are being answered");
    let room = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    let may_be_too_much = at_the_most(&pool, &question, most + 1).await? > most as i64;
    let answer = Answer { pool, question, ctr, room };
    let body = match may_be_too_much {
        false => answer.body().await?,
        true => match answer.counted().await? {
            Counted::TooMuch => return Err(too_much(most)),
            Counted::Long => answer.body().await?,
            Counted::Whole(all) => all.into(),
        },
    };
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn too_much(most: usize) -> Problem {
    let expected = format!("buckets so long, or a period so short, that there are at most {most} rows");
    Problem::parameters(vec![Fault::parameter("too_many_rows", "aggregation", expected, "more")])
}

/// How many rows there can be: as many as views and purchases, neither counted beyond `limit`, and as the files of
/// the history that overlap with the period hold.
async fn at_the_most(pool: &PgPool, question: &Question, limit: usize) -> sqlx::Result<i64> {
    let Question { start, end, product, platform, .. } = question;
    let counted = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM (
                     SELECT FROM product_views
                     WHERE occurred_at >= $1 AND occurred_at < $2
                         AND ($3::text IS NULL OR product = $3) AND ($4::text IS NULL OR platform = $4)
                     LIMIT $5) AS viewed)
              + (SELECT count(*) FROM (
                     SELECT FROM orders JOIN order_items ON order_items.order_id = orders.id
                     WHERE orders.order_date >= $1 AND orders.order_date < $2
                         AND ($3::text IS NULL OR order_items.code_color = $3)
                     LIMIT $5) AS bought)
              + (SELECT coalesce(sum(rows), 0)::int8 FROM history_files
                 WHERE removed_at IS NULL AND last_at >= $1 AND first_at < $2
                     AND day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND ($2 AT TIME ZONE 'UTC')::date
                     AND ($4::text IS NULL OR platform = $4))",
    );
    let counted = counted.bind(start).bind(end).bind(product).bind(platform).bind(limit as i64);
    counted.persistent(false).fetch_one(pool).await
}
