//! The dead letters one by one.

use axum::Json;
use axum::extract::State;

use super::filters::Listed;
use crate::api::parameters::Query;
use crate::api::problem::Problem;
use crate::api::{Api, List};
use crate::dead_letters::Filter;
use crate::dead_letters::records::{self, Entry};

/// Dead letters one by one.
///
/// What the index has of each; `GET /dead-letters/{id}` has the whole record with its payload. Newest first by the
/// time of the first rejection, ties by id. Without `status`, open ones.
#[utoipa::path(
    get,
    path = "",
    tag = "Rejections",
    params(Filter, Listed),
    responses((
        status = 200,
        description = "The dead letters",
        body = List<Entry>,
        example = json!({
            "items": [{
                "id": "3152b205-0468-8845-b350-820562235101", "kind": "purchase", "reason": "reference",
                "class": "when_reference_appears", "fingerprint": "724551020868003c",
                "causes": [{"code": "unknown_user", "path": "/user_id"}],
                "event_key": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d", "delivery_id": "http:purchase:retry-7",
                "position": 0, "received_at": "2026-11-21T10:14:17.187157Z",
                "failed_at": "2026-11-21T10:14:17.197157Z", "attempt": 1, "status": "open", "status_at": null,
                "because": null,
                "waiting_for": [{"table": "users", "id": "a853753d-171d-4c11-8163-8e69819261aa"}],
                "object": "dead-letter/kind=purchase/reason=reference/dt=2026-11-21/hh=10/019aa5a3-0a3c-7f4b-9d6e-0c6a3f1f2b7d.ndjson",
                "line": 17,
            }],
            "next": null,
        }),
    )),
)]
pub(in crate::api) async fn records(State(api): State<Api>, mut query: Query) -> Result<Json<List<Entry>>, Problem> {
    let filter = query.letters();
    let limit = query.whole("limit", 1..=1000).unwrap_or(100);
    let after = query.cursor(|_: &records::After| true);
    query.finish()?;
    let items = records::records(&api.pool, &filter, after, limit + 1).await?;
    Ok(Json(List::page(items, limit, Entry::key)))
}
