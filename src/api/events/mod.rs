//! Events in. An event that is sent here takes the same way as one from Pub/Sub; the answer comes when
//! it is committed.

mod answered;
mod body;
mod ndjson;
mod sent;
mod summary;

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) use answered::Answer;
use answered::Decisions;
pub(super) use sent::EventOf;
use sent::{Attributes, IdempotencyKey, OneEvent};
use summary::Summary;

use super::Api;
use super::parameters::Query;
use super::problem::{Fault, Problem};
use crate::events::{Attribute, EventKind, Kind, KindName};
use crate::intake::http::{HttpIntake, Room, Submission, Undecided};
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Reason;
use crate::telemetry::trace_context;

/// What became of an event that was not rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// `stored`, `duplicate` or `ignored`.
    outcome: &'static str,
    /// The event's id; absent when it was ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// What the events of one request have in common.
struct Request<'a> {
    intake: &'a HttpIntake,
    /// `Idempotency-Key`, or one that this request was given.
    key: String,
    /// What the query said of all of them.
    attributes: BTreeMap<String, String>,
    request_id: String,
    max_event_bytes: usize,
}

/// The longest `Idempotency-Key`.
const KEY_CHARS: usize = 255;
/// More of a request id than this is not kept.
const REQUEST_ID_CHARS: usize = 128;

/// Takes in one event, or many.
///
/// The answer comes when everything is committed. One event as JSON is answered by its status. Many come as
/// `application/x-ndjson`, one event a line, empty lines skipped, and are answered with 200, counts, and an
/// item for every event that was not stored; a line that is larger than an event may be turns the whole body
/// away, 413. Any other content type is taken as one JSON event.
///
/// A `product_view` is a message that may hold several events. Those that are no product views are ignored.
/// One that is left is answered by its status, as if it had come alone; several are answered as lines are.
///
/// Repeating a request with its `Idempotency-Key` is always safe.
#[utoipa::path(
    post,
    path = "",
    tag = "Events",
    params(("kind" = inline(KindName), Path, description = "Kind of event."), IdempotencyKey, Attributes),
    request_body(content((OneEvent = "application/json"), (String = "application/x-ndjson"))),
    responses((status = 404, description = "There is no such kind of event.", body = Problem), Decisions),
)]
async fn submit(
    State(api): State<Api>,
    kind: Result<Path<String>, PathRejection>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path(kind) = kind?;
    submit_to(&api, &kind, query, &headers, body).await
}

/// [`submit`], with an example of every kind.
pub(super) fn submit_any() -> UtoipaMethodRouter<Api> {
    sent::of_every_kind(routes!(submit))
}

/// [`submit`] for one kind, under an address of its own.
pub(super) fn submit_as<K: EventKind>() -> UtoipaMethodRouter<Api> {
    let handler = async |State(api): State<Api>, query: Query, headers: HeaderMap, body: Body| {
        submit_to(&api, K::NAME, query, &headers, body).await
    };
    sent::of_one_kind::<K>(routes!(submit), post(handler))
}

async fn submit_to(
    api: &Api,
    kind: &str,
    mut query: Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let intake = api.intakes.get(kind).ok_or_else(|| unknown_kind(api, kind))?;
    let known = Kind::named(kind).map_or(&[][..], |kind| kind.attributes);
    let mut said = |attribute: &Attribute| {
        let value =
            query.read(attribute.name, attribute.expected, |text| (attribute.is_right)(text).then(|| text.into()));
        Some((attribute.name.to_owned(), value?))
    };
    let attributes = known.iter().filter_map(&mut said).chain(trace_context(headers)).collect();
    query.finish()?;
    let (key, request_id) = (idempotency_key(headers)?, request_id(headers));
    let request = Request { intake, key, attributes, request_id, max_event_bytes: api.max_event_bytes };
    if is_ndjson(headers) { ndjson::submit(&request, body).await } else { request.submit(body).await }
}

impl Request<'_> {
    /// One message.
    async fn submit(&self, body: Body) -> Result<Response, Problem> {
        let (payload, room) = body::read(body, self.max_event_bytes, self.intake).await?;
        let outcomes = self.decide(None, payload, room).await.map_err(|undecided| self.undecided(undecided))?;
        match summary::only(&outcomes) {
            Some(outcome) => answer(outcome),
            None => {
                let mut summary = Summary::default();
                summary.add(None, &outcomes);
                Ok((StatusCode::OK, Json(summary)).into_response())
            }
        }
    }

    /// What becomes of the events of one message, in their order.
    async fn decide(&self, line: Option<u32>, payload: Bytes, room: Room) -> Result<Vec<Outcome>, Undecided> {
        let (key, request_id, attributes) = (self.key.clone(), self.request_id.clone(), self.attributes.clone());
        self.intake.decide(Submission { key, line, payload, attributes, request_id, room }).await
    }

    fn undecided(&self, undecided: Undecided) -> Problem {
        let status = match undecided {
            Undecided::InFlight => StatusCode::GATEWAY_TIMEOUT,
            Undecided::Full | Undecided::Withdrawn | Undecided::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::try_again(status, format!("{undecided}; send it again")).with_idempotency_key(&self.key)
    }
}

fn answer(outcome: &Outcome) -> Result<Response, Problem> {
    let (status, outcome, id) = match outcome {
        Outcome::Stored { key } => (StatusCode::CREATED, "stored", Some(key.clone())),
        Outcome::Duplicate { key } => (StatusCode::OK, "duplicate", Some(key.clone())),
        Outcome::Ignored => (StatusCode::OK, "ignored", None),
        Outcome::Rejected(letter) | Outcome::RejectedBefore(letter) => {
            let conflict = letter.reason == Reason::Conflict;
            let status = if conflict { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            return Err(Problem::rejected(status, letter));
        }
    };
    Ok((status, Json(Accepted { outcome, id })).into_response())
}

pub(super) fn unknown_kind(api: &Api, kind: &str) -> Problem {
    let known: Vec<&str> = api.intakes.keys().copied().collect();
    let fault = Fault::parameter("unknown_kind", "kind", format!("one of {}", known.join(", ")), kind);
    let detail = format!("there is no such kind of event; known: {}", known.join(", "));
    Problem::new(StatusCode::NOT_FOUND, detail).with_errors(vec![fault])
}

/// As given, or a new one.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    const NAME: &str = "Idempotency-Key";
    let Some(key) = headers.get(NAME) else { return Ok(Uuid::now_v7().to_string()) };
    let visible = key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if visible && (1..=KEY_CHARS).contains(&key.len()) => Ok(key.to_owned()),
        _ => {
            let (expected, actual) = ("1 to 255 visible ASCII characters", String::from_utf8_lossy(key.as_bytes()));
            Err(Problem::parameters(vec![Fault::parameter("format", NAME, expected, &actual)]))
        }
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    id.chars().take(REQUEST_ID_CHARS).collect()
}

/// Whatever else is claimed to be there is taken as one JSON event, as `curl -d` would have it.
fn is_ndjson(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/ndjson", "application/jsonl"]
        .iter()
        .any(|ndjson| essence.eq_ignore_ascii_case(ndjson))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn keys_are_short_and_visible() {
        let longest = "k".repeat(255);
        for (key, right) in
            [("k", true), (longest.as_str(), true), ("", false), ("a b", false), (&format!("{longest}k"), false)]
        {
            let headers =
                HeaderMap::from_iter([("idempotency-key".parse().unwrap(), HeaderValue::from_str(key).unwrap())]);
            assert_eq!(idempotency_key(&headers).is_ok_and(|found| found == key), right, "{key}");
        }
        assert!(idempotency_key(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn lines_are_told_by_the_content_type() {
        for (content_type, expected) in [
            ("application/x-ndjson", true),
            ("Application/X-NDJSON; charset=utf-8", true),
            ("application/json", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(is_ndjson(&headers), expected, "{content_type}");
        }
    }
}
