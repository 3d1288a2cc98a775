//! What the document says of what an endpoint that takes events in answers.

use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::Accepted;
use super::summary::Summary;
use crate::api::problem::Problem;

/// What may become of events, beyond what may happen to any request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(in crate::api) enum Decisions {
    /// Stored.
    #[response(status = 201, example = json!({"outcome": "stored", "id": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d"}))]
    Stored(Accepted),
    /// `duplicate`: its id is stored with the same content. `ignored`: the message holds no event that counts.
    /// Of ndjson, and of a message with several events that count: counts, and an item for every event that was
    /// not stored.
    #[response(
        status = 200,
        examples(
            ("One event" = (value = json!({
                "outcome": "duplicate", "id": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d",
            }))),
            ("Lines" = (value = json!({
                "received": 3, "stored": 2, "duplicate": 0, "rejected": 1, "ignored": 0,
                "items": [{
                    "line": 3, "outcome": "rejected",
                    "dead_letter": {
                        "id": "3152b205-0468-8845-b350-820562235101", "reason": "reference",
                        "fingerprint": "724551020868003c",
                    },
                    "errors": [{
                        "code": "unknown_article", "path": "/cart/0/article_id",
                        "expected": "the id of a row in articles",
                        "actual": "18898eed-2178-4574-870e-e66b1b806d22",
                        "message": "/cart/0/article_id: expected the id of a row in articles, found 18898eed-2178-4574-870e-e66b1b806d22",
                    }],
                }],
            }))),
        ),
    )]
    Known(Answer),
    /// The body did not arrive within 60 seconds.
    #[response(status = 408)]
    Slow(Problem),
    /// Its id is stored with other content. It is kept as the dead letter that the answer names.
    #[response(
        status = 409,
        example = json!({
            "type": "about:blank", "title": "Conflict", "status": 409,
            "detail": "the event was rejected (conflict) and is kept as dead letter 5d2dd2a9-8ac6-8f27-b94d-d8b1d3b4a5c0",
            "errors": [{
                "code": "content_differs", "path": "",
                "expected": "the content stored under this id, 3f7cbf2a47c0c2bd11d0e0f3e2b1a5c4",
                "actual": "9b5f0c6f8a1d4b7e2c3d5a6f7e8091a2",
                "message": "the event: expected the content stored under this id, 3f7cbf2a47c0c2bd11d0e0f3e2b1a5c4, found 9b5f0c6f8a1d4b7e2c3d5a6f7e8091a2",
            }],
            "dead_letter": {
                "id": "5d2dd2a9-8ac6-8f27-b94d-d8b1d3b4a5c0", "reason": "conflict", "fingerprint": "1f6d4c8a90b2e375",
            },
        }),
    )]
    Conflict(Problem),
    /// Larger than an event, or a body, may be. Nothing is kept.
    #[response(status = 413)]
    Large(Problem),
    /// Rejected, with everything that is wrong. It is kept as the dead letter that the answer names.
    #[response(
        status = 422,
        example = json!({
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
            "detail": "the event was rejected (shape) and is kept as dead letter 17d3f0d3-23c8-8b03-b3b5-2bc6ef6bc962",
            "errors": [{
                "code": "wrong_type", "path": "/cart/0/quantity", "expected": "a whole number from 1 to 1000000",
                "actual": "2.0",
                "message": "/cart/0/quantity: expected a whole number from 1 to 1000000, found 2.0",
            }],
            "dead_letter": {
                "id": "17d3f0d3-23c8-8b03-b3b5-2bc6ef6bc962", "reason": "shape", "fingerprint": "b0a1f2c3d4e5f607",
            },
        }),
    )]
    Rejected(Problem),
    /// Not decided, and it will not be. Send it again after `Retry-After` seconds, with the answer's
    /// `idempotency_key`.
    #[response(status = 503, headers(("Retry-After" = u16)))]
    Undecided(Problem),
    /// Being decided, but not within 10 seconds. Send it again after `Retry-After` seconds, with the answer's
    /// `idempotency_key`.
    #[response(status = 504, headers(("Retry-After" = u16)))]
    InFlight(Problem),
}

/// One event, or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(in crate::api) enum Answer {
    One(Accepted),
    Several(Summary),
}
