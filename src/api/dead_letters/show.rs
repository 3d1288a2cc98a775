//! One dead letter with everything about it.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Api;
use crate::api::parameters::Query;
use crate::api::problem::{Fault, Problem};
use crate::dead_letters::Unreadable;
use crate::dead_letters::records::{Entry, entry};

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(in crate::api) struct Shown {
    /// What the index has of it: what has become of it, and where its record is.
    entry: Entry,
    /// The record of the newest attempt, as it is kept; null where it cannot be read.
    #[schema(required, value_type = Option<Object>)]
    record: Option<Box<RawValue>>,
    /// Why the record, or a payload that it does not hold itself, cannot be read.
    #[schema(required)]
    unreadable: Option<String>,
}

/// One dead letter.
///
/// What has become of it, and the record of its newest attempt as it is kept: every violation, where the event came
/// from, and the payload (`payload.encoding`: `utf8` and `base64` hold it in `payload.data`, `object`, `reference`
/// and `dead_letter` name what holds it).
#[utoipa::path(
    get,
    path = "",
    tag = "Rejections",
    params(("id" = Uuid, Path, description = "The dead letter's id.")),
    responses(
        (
            status = 200,
            description = "The dead letter",
            body = Shown,
            example = json!({
                "entry": {
                    "id": "3152b205-0468-8845-b350-820562235101", "kind": "order", "reason": "decode",
                    "class": "permanent", "fingerprint": "1ad2550fb0bf3c04",
                    "causes": [{"code": "invalid_json", "path": ""}], "event_key": null,
                    "delivery_id": "http:order:retry-7", "position": 0,
                    "received_at": "2026-11-21T10:14:17.187157Z", "failed_at": "2026-11-21T10:14:17.197157Z",
                    "attempt": 1, "status": "discarded", "status_at": "2026-11-21T11:00:00Z",
                    "because": "a test of the shop", "waiting_for": [], "object": null, "line": null,
                },
                "record": {
                    "schema": "purser.dead_letter/1", "id": "3152b205-0468-8845-b350-820562235101",
                    "payload": {"encoding": "utf8", "data": "nonsense", "bytes": 8, "sha256": "5d1be7e9dda1ee8896be5b7e34a85ee16452a7b602a50a0c5d2a3a4c64ccbb5d"},
                },
                "unreadable": null,
            }),
        ),
        (status = 404, description = "There is none of this id.", body = Problem),
    ),
)]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Query,
) -> Result<Json<Shown>, Problem> {
    query.finish()?;
    let Path(text) = id?;
    let id = Uuid::try_parse(&text)
        .map_err(|_| Problem::parameters(vec![Fault::parameter("format", "id", "a uuid", &text)]))?;
    let none = || Problem::new(StatusCode::NOT_FOUND, format!("there is no dead letter {id}"));
    let entry = entry(&api.pool, id).await?.ok_or_else(none)?;
    let letter = api.dead_letters.archive.read(&[id]).await?.remove(&id).unwrap_or(Err(Unreadable::Unknown));
    let (record, unreadable) = match letter {
        Ok(letter) => (serde_json::from_slice(&letter.line).ok(), letter.payload.err()),
        Err(why) => (None, Some(why)),
    };
    Ok(Json(Shown { entry, record, unreadable: unreadable.map(|why| why.to_string()) }))
}
