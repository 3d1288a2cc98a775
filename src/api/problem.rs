//! Errors as `application/problem+json` (RFC 9457), the same for every endpoint.

use std::borrow::Cow;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::pipeline::dead_letter::DeadLetter;
use crate::pipeline::verdict::{Reason, Violation};

/// The media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request did not get what it asked for. Boxed, because it travels in every `Result`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(#[schema(inline)] Box<Members>);

/// Why a request did not get what it asked for (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
struct Members {
    /// `about:blank`: nothing beyond what the status says.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// What happened.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
    /// Everything that is wrong with the request or with its event.
    errors: Vec<Fault>,
    /// What became of the event that the request brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<LetterSummary>,
    /// Where the event that the request asks for ended up instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead_letters: Vec<LetterSummary>,
    /// What to send as `Idempotency-Key` when trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip)]
    header: Option<(HeaderName, HeaderValue)>,
}

/// One thing that is wrong: with a parameter of the request, or with the event that it brought.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Fault {
    /// A parameter.
    Parameter(WrongParameter),
    /// A place in an event.
    Event(Violation),
}

/// A parameter of the query, the path or a header that cannot be used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WrongParameter {
    /// What is wrong.
    code: &'static str,
    /// Its name.
    parameter: String,
    expected: String,
    actual: String,
    message: String,
}

/// Enough of a dead letter to find it by.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(as = DeadLetterSummary)]
pub(crate) struct LetterSummary {
    id: Uuid,
    /// The earliest stage that failed.
    #[schema(value_type = Reason)]
    reason: String,
    /// Equal for the same cause.
    fingerprint: String,
}

/// Seconds after which it makes sense to ask again when something is away.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// The longest `actual`, in characters.
const ACTUAL_CHARS: usize = 120;

impl Problem {
    /// A status, and what happened.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem(Box::new(Members {
            // RFC 9457: nothing beyond what the status says; the codes of `errors` tell causes apart.
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            errors: Vec::new(),
            dead_letter: None,
            dead_letters: Vec::new(),
            idempotency_key: None,
            header: None,
        }))
    }

    /// 500. The log has the rest.
    #[must_use]
    pub fn fault() -> Self {
        let detail = "a fault of the service; the log has the rest under this answer's X-Request-Id";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// 400 that names every wrong parameter.
    pub(crate) fn parameters(errors: Vec<Fault>) -> Self {
        let detail = format!("{} of the request's parameters cannot be used", errors.len());
        Problem::new(StatusCode::BAD_REQUEST, detail).with_errors(errors)
    }

    /// 503, or another status that passes by itself, with the time to wait.
    #[must_use]
    pub fn try_again(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem::new(status, detail).with_header(RETRY_AFTER, RETRY_AFTER_SECONDS)
    }

    /// 409 or 422 with everything that is wrong with an event.
    pub(crate) fn rejected(status: StatusCode, letter: &DeadLetter) -> Self {
        let detail = format!("the event was rejected ({}) and is kept as dead letter {}", letter.reason, letter.id);
        let errors = letter.errors.iter().cloned().map(Fault::Event).collect();
        let mut problem = Problem::new(status, detail).with_errors(errors);
        problem.0.dead_letter = Some(letter.into());
        problem
    }

    /// 503 while the database is away.
    pub(crate) fn database_away() -> Self {
        Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, "the database cannot be asked at the moment")
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    pub(crate) fn with_dead_letters(mut self, dead_letters: Vec<LetterSummary>) -> Self {
        self.0.dead_letters = dead_letters;
        self
    }

    pub(crate) fn with_idempotency_key(mut self, key: &str) -> Self {
        self.0.idempotency_key = Some(key.to_owned());
        self
    }
}

impl Fault {
    /// A parameter that should have been something else.
    pub(crate) fn parameter(code: &'static str, parameter: &str, expected: impl Into<String>, actual: &str) -> Self {
        let (expected, actual) = (expected.into(), actual.chars().take(ACTUAL_CHARS).collect::<String>());
        let message = format!("{parameter}: expected {expected}, found {actual:?}");
        Fault::Parameter(WrongParameter { code, parameter: parameter.to_owned(), expected, actual, message })
    }

    /// Whether it is this parameter that cannot be used.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        matches!(self, Fault::Parameter(wrong) if wrong.parameter == name)
    }
}

impl From<&DeadLetter> for LetterSummary {
    fn from(letter: &DeadLetter) -> Self {
        let (reason, fingerprint) = (letter.reason.to_string(), letter.fingerprint.clone());
        LetterSummary { id: letter.id, reason, fingerprint }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let header = self.0.header.take();
        let mut response = (self.0.status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.extend(header);
        response
    }
}

impl From<sqlx::Error> for Problem {
    /// Whatever it is, it is not the asker's fault, passes once it is repaired, and is not shown to them.
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database did not answer");
        Problem::database_away()
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Problem::new(rejection.status(), rejection.body_text())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
