//! Parameters that are sent as the body of a request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use tokio::time::timeout;

use super::Query;
use crate::api::problem::Problem;

/// The largest body of parameters.
const BYTES: usize = 64 << 10;
/// How long it may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

impl Query {
    /// The members of a JSON object that is sent as a body: as [`Query::of_json`].
    ///
    /// # Errors
    /// 400, 408 or 413 when that cannot be read.
    pub(crate) async fn of_body(body: Body) -> Result<Self, Problem> {
        let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 5 seconds");
        let large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BYTES} bytes"));
        let body = timeout(PATIENCE, to_bytes(body, BYTES)).await.map_err(late)?.map_err(large)?;
        Query::of_json(&body)
    }
}
