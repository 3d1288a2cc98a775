//! Orders in, under an address of their own.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::documented::{Decisions, EventOf, IdempotencyKey};
use super::submit_as;
use crate::api::Api;
use crate::api::parameters::Query;
use crate::api::problem::Problem;
use crate::events::Order;

/// What one is.
type OneOrder = EventOf<Order>;

/// Takes in one order, or many.
///
/// The same as `/events/order`.
#[utoipa::path(
    post,
    path = "",
    tag = "Events",
    params(IdempotencyKey),
    request_body(content((OneOrder = "application/json"), (String = "application/x-ndjson"))),
    responses(Decisions),
)]
pub(in crate::api) async fn create(
    State(api): State<Api>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    submit_as::<Order>(&api, query, &headers, body).await
}
