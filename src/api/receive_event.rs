//! Events of A/B tests in, under the address that their clients know.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::Api;
use super::events::{self, Decisions, EventOf, IdempotencyKey};
use super::parameters::Query;
use super::problem::Problem;
use crate::events::AbEvent;

type OneAbEvent = EventOf<AbEvent>;

/// Takes in one event of an A/B test, or many.
///
/// The same as `POST /events/ab_event`; `POST //receive_event` does it, too.
#[utoipa::path(
    post,
    path = "",
    tag = "A/B tests",
    params(IdempotencyKey),
    request_body(content((OneAbEvent = "application/json"), (String = "application/x-ndjson"))),
    responses(Decisions),
)]
pub(super) async fn receive(
    State(api): State<Api>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    events::submit_as::<AbEvent>(&api, query, &headers, body).await
}
