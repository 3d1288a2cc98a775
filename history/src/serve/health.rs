//! Is the process alive, and can it answer?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::time::timeout;

use super::Service;
use crate::engine::Trouble;
use crate::store::Store;

#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<&'static str, &'static str>,
}

const OK: &str = "ok";
/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whatever else is away.
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: OK, checks: BTreeMap::new() })
}

/// Each check says `ok` or what is wrong.
pub(super) async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Health>) {
    let (store, engine) = tokio::join!(store(&service.store), service.engine.ready());
    let engine = match engine {
        Ok(()) => OK,
        Err(Trouble::Away { what, .. }) => what,
        Err(_) => "does not work",
    };
    let checks = BTreeMap::from([("store", store), ("engine", engine)]);
    match checks.values().all(|state| *state == OK) {
        true => (StatusCode::OK, Json(Health { status: "ready", checks })),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "not_ready", checks })),
    }
}

/// A folder has to be there; a bucket, to tell what is the first of its objects, if there is one.
async fn store(store: &Store) -> &'static str {
    let reached = async {
        match store.url().to_file_path() {
            Ok(folder) => tokio::fs::metadata(folder).await.is_ok_and(|folder| folder.is_dir()),
            Err(()) => store.blob().list("").next().await.is_none_or(|object| object.is_ok()),
        }
    };
    match timeout(PATIENCE, reached).await {
        Ok(true) => OK,
        Ok(false) => "cannot be reached",
        Err(_) => "does not answer within 5 seconds",
    }
}
