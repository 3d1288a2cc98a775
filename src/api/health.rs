//! Is the process alive, can it do its work, and how much of it has it done?

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::timeout;

use super::Api;
use super::problem::Problem;
use crate::database::{self, Schema};
use crate::health::Health;

#[derive(Debug, Serialize)]
pub(super) struct Alive {
    status: &'static str,
}

/// Answers while the process lives, whatever else is away.
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

#[derive(Debug, Serialize)]
pub(super) struct Ready {
    status: &'static str,
    checks: BTreeMap<&'static str, String>,
}

/// How long Postgres may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What stands for a service that this process does not use.
const OFF: &str = "off";
/// What stands for a breaker that holds nothing back.
const CLOSED: &str = "closed";

/// 200 when the process can do all of its work, else 503. Each check says `ok` or what is wrong; `off` is a
/// service that this process does not use; the breaker holds events back while it is not `closed`.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Ready>) {
    let mut checks: BTreeMap<&str, String> =
        [("pubsub", OFF), ("blob", OFF), ("breaker", CLOSED)].map(|(name, state)| (name, state.to_owned())).into();
    checks.extend(api.health.checks());
    let (postgres, schema) = tokio::join!(postgres(&api), schema(&api.pool));
    checks.extend([("postgres", postgres.to_owned()), ("schema", schema.to_owned())]);
    let ready = checks.values().all(|state| [Health::OK, OFF, CLOSED].contains(&state.as_str()));
    let (code, status) = if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(Ready { status, checks }))
}

async fn postgres(api: &Api) -> &'static str {
    match timeout(PATIENCE, sqlx::query("SELECT 1").execute(&api.pool)).await {
        Ok(Ok(_)) if api.metrics.outages.get() > 0 => "answers, but events are held: see the log",
        Ok(Ok(_)) => Health::OK,
        Ok(Err(_)) => "cannot be reached",
        Err(_) => "does not answer within 2 seconds",
    }
}

async fn schema(pool: &PgPool) -> &'static str {
    match timeout(PATIENCE, database::schema(pool)).await {
        Ok(Ok(Schema::Current)) => Health::OK,
        Ok(Ok(Schema::Older)) => "older than this program: run `purser migrate`",
        Ok(Ok(Schema::Newer)) => "newer than this program: run a newer purser",
        Ok(Err(_)) | Err(_) => "unknown",
    }
}

/// What was counted since the process started, as Prometheus (`OpenMetrics`) text.
pub(super) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let mut text = String::new();
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
    encode(&mut text, &api.metrics.registry()).map_err(failed)?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
