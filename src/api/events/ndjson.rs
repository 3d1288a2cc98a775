//! Many events in one request, one a line.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::summary::Summary;
use super::{Request, body};
use crate::api::problem::Problem;

/// The largest body, unless a single event may be larger.
const BODY_BYTES: usize = 32 << 20;
/// The lines of a body that are being decided at once.
const IN_FLIGHT: usize = 500;
/// How many lines that are too large an answer names.
const NAMED: usize = 20;

/// The most lines of a body, whose answer has an entry for each that was not stored.
const LINES: usize = 10_000;

pub(super) async fn submit(request: &Request<'_>, body: Body) -> Result<Response, Problem> {
    let (body, room) = body::read(body, BODY_BYTES.max(request.max_event_bytes), request.intake).await?;
    check_sizes(&body, request.max_event_bytes)?;
    if lines(&body).nth(LINES).is_some() {
        let detail = format!("the body has more than {LINES} lines: send several bodies");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let decisions = lines(&body).map(|(line, payload)| {
        let room = room.clone();
        async move { (line, request.decide(Some(line), payload, room).await) }
    });
    let mut decisions = stream::iter(decisions).buffered(IN_FLIGHT);
    let mut summary = Summary::default();
    while let Some((line, decided)) = decisions.next().await {
        // Lines that were decided are so for ever: the same body with the same key finds them as they are.
        summary.add(Some(line), &decided.map_err(|undecided| request.undecided(undecided))?);
    }
    Ok((StatusCode::OK, Json(summary)).into_response())
}

/// The lines that are not empty, with their numbers, from 1.
fn lines(body: &Bytes) -> impl Iterator<Item = (u32, Bytes)> {
    let lines = (1..).zip(body.split(|byte| *byte == b'\n'));
    let events = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    events.map(|(number, line)| (number, body.slice_ref(line.strip_suffix(b"\r").unwrap_or(line))))
}

/// Before anything is handed over: what is turned away has no effect.
fn check_sizes(body: &Bytes, limit: usize) -> Result<(), Problem> {
    let too_large = lines(body).filter(|(_, line)| line.len() > limit);
    let named: Vec<String> = too_large.map(|(number, _)| number.to_string()).take(NAMED).collect();
    if named.is_empty() {
        return Ok(());
    }
    let detail = format!("nothing was taken in: larger than the {limit} bytes of an event: lines {}", named.join(", "));
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_counted_and_skipped() {
        let body = Bytes::from_static(b"{}\r\n\n  \n[1]\n\r\n2");
        let found: Vec<_> = lines(&body).collect();
        assert_eq!(found, [(1, "{}".into()), (4, "[1]".into()), (6, "2".into())]);
        assert_eq!(lines(&Bytes::new()).count(), 0);
    }

    #[test]
    fn lines_that_are_too_large_are_named() {
        let body = Bytes::from_static(b"1234\n12345\n\n123456");
        let problem = serde_json::to_value(check_sizes(&body, 4).unwrap_err()).unwrap();
        assert!(problem["detail"].as_str().unwrap().ends_with("lines 2, 4"));
        assert!(check_sizes(&body, 6).is_ok());
    }
}
