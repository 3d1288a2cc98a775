//! Reading a body within bounds of bytes and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::timeout;

use crate::api::problem::Problem;
use crate::intake::http::{GrowingRoom, HttpIntake, Room, Undecided};

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads a body, making room as it comes: bodies that wait take up a bounded part of memory together.
pub(super) async fn read(body: Body, limit: usize, intake: &HttpIntake) -> Result<(Bytes, Room), Problem> {
    let announced = body.size_hint().upper().map_or(limit, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced > limit {
        return Err(too_large(limit));
    }
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 60 seconds");
    timeout(PATIENCE, read_all(body, limit, intake.growing_room())).await.map_err(late)?
}

async fn read_all(body: Body, limit: usize, mut room: GrowingRoom<'_>) -> Result<(Bytes, Room), Problem> {
    let no_room = |full: Undecided| Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, full.to_string());
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        room.add(chunk.len()).map_err(no_room)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.freeze(), room.done()))
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    async fn status(body: Body) -> Option<u64> {
        let intake = HttpIntake::new("purchase", mpsc::channel(1).0);
        let problem = read(body, 4, &intake).await.err()?;
        serde_json::to_value(problem).unwrap()["status"].as_u64()
    }

    fn chunks(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(futures::stream::iter(chunks.iter().copied().map(Ok::<_, std::io::Error>)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_bytes_and_time() {
        assert_eq!(status(Body::from("1234")).await, None);
        assert_eq!(status(Body::from("12345")).await, Some(413));
        assert_eq!(status(chunks(&["12", "34"])).await, None);
        assert_eq!(status(chunks(&["12", "345"])).await, Some(413));
        assert_eq!(status(Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>())).await, Some(408));
    }
}
