//! Is the process alive, can it do its work, and how much of it has it done?

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::breaker;
use crate::database::{self, Schema};
use crate::health::Health;
use crate::telemetry::{Dependency, Exposition};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    status: &'static str,
}

/// Whether the process lives.
///
/// Whatever else is away.
#[utoipa::path(
    get,
    path = "",
    tag = "Operations",
    responses((status = 200, description = "It does", body = Alive, example = json!({"status": "ok"}))),
)]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// `ok` or what is wrong, by what was looked at.
    #[schema(value_type = BTreeMap<String, String>)]
    checks: BTreeMap<&'static str, String>,
    /// What somebody should know although the process can work: what may lose events one day, and the command
    /// that mends it. Absent when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// How long Postgres may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What stands for a service that this process does not use.
const OFF: &str = "off";
/// What stands for a breaker that holds nothing back.
const CLOSED: &str = "closed";

/// Whether the process can do all of its work.
///
/// Each check says `ok` or what is wrong; `off` is a service that this process does not use; the breaker
/// holds events back while it is not `closed`.
#[utoipa::path(
    get,
    path = "",
    tag = "Operations",
    responses(
        (
            status = 200,
            description = "It can",
            body = Ready,
            example = json!({
                "status": "ready",
                "checks": {"blob": "ok", "breaker": "closed", "postgres": "ok", "pubsub": "ok", "schema": "ok"},
            }),
        ),
        (
            status = 503,
            description = "It cannot",
            body = Ready,
            example = json!({
                "status": "not_ready",
                "checks": {
                    "blob": "ok", "breaker": "closed", "postgres": "cannot be reached", "pubsub": "ok",
                    "schema": "unknown",
                },
            }),
        ),
    ),
)]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Ready>) {
    let mut checks: BTreeMap<&str, String> = [("pubsub", OFF), ("blob", OFF), (breaker::SERVICE, CLOSED)]
        .map(|(name, state)| (name, state.to_owned()))
        .into();
    checks.extend(api.health.checks());
    checks.entry(breaker::SERVICE).and_modify(|state| {
        if state == Health::OK {
            *state = CLOSED.to_owned();
        }
    });
    let (postgres, schema) = tokio::join!(postgres(&api), schema(&api.pool));
    checks.extend([("postgres", postgres.to_owned()), ("schema", schema.to_owned())]);
    let ready = checks.values().all(|state| [Health::OK, OFF, CLOSED].contains(&state.as_str()));
    let (code, status) = if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(Ready { status, checks, warnings: api.health.warnings() }))
}

async fn postgres(api: &Api) -> &'static str {
    match timeout(PATIENCE, sqlx::query("SELECT 1").execute(&api.pool)).await {
        Ok(Ok(_)) if api.metrics.holding(Dependency::Postgres) > 0 => "answers, but events are held: see the log",
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

/// What was counted since the process started.
///
/// As Prometheus text, or as `OpenMetrics` for whoever accepts it.
#[utoipa::path(
    get,
    path = "",
    tag = "Operations",
    responses((
        status = 200,
        description = "The metrics",
        body = String,
        content_type = "text/plain; version=0.0.4; charset=utf-8",
        example = "purser_events_total{kind=\"purchase\",source=\"pubsub\",outcome=\"stored\",reason=\"\"} 1480\n",
    )),
)]
pub(super) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted(accept);
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
    let text = api.metrics.write(exposition).map_err(failed)?;
    Ok(([(CONTENT_TYPE, exposition.media_type())], text))
}
