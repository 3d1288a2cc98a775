//! What is done about dead letters: they are tried again, or marked as not wanted.

mod answer;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PATIENCE;
use crate::api::parameters::Query;
use crate::api::problem::Problem;
use crate::api::{Api, List};
use crate::dead_letters::groups::groups;
use crate::dead_letters::records::count;
use crate::dead_letters::{Filter, Tally, discard as discarding};
use crate::events::KindName;
use crate::pipeline::verdict::{Code, Reason};
use answer::{Progress, answer};

/// Which open dead letters are meant, and what is to be done with them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(in crate::api) struct Meant {
    /// These. Default: all that the filters let through.
    ids: Option<Vec<Uuid>>,
    #[schema(inline)]
    kind: Option<KindName>,
    /// The earliest stage that failed.
    reason: Option<Reason>,
    /// What is wrong, perhaps beside other things.
    code: Option<Code>,
    fingerprint: Option<String>,
    /// First rejected then or later: a date, an RFC 3339 time, or an age such as `2h`.
    since: Option<DateTime<Utc>>,
    /// First rejected before then.
    until: Option<DateTime<Utc>>,
    /// Only say what would happen. Default: false.
    dry_run: Option<bool>,
    /// Why they are not wanted: to discard, it must be there.
    because: Option<String>,
}

/// What became of dead letters of one cause.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLettersReplayed)]
pub(in crate::api) struct Replayed {
    /// As it was before.
    fingerprint: String,
    matched: u64,
    /// Of a dry run, those that would be stored now, or are already; null otherwise.
    #[schema(required)]
    would_pass: Option<u64>,
    /// Closed: their events are stored now.
    stored: u64,
    /// Closed: their events were stored before.
    duplicate: u64,
    /// Still open, one attempt later; of a dry run, those that would be.
    rejected: u64,
    /// Somebody else decided about them in the meantime.
    skipped: u64,
    /// What is kept of them cannot be read.
    unreadable: u64,
}

/// How many dead letters of one cause were discarded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLettersDiscarded)]
pub(in crate::api) struct Discarded {
    fingerprint: String,
    matched: u64,
    /// Of a dry run, none.
    discarded: u64,
}

/// The largest body.
const BODY_BYTES: usize = 256 << 10;
/// Of a dry run of discarding, more causes are left out.
const CAUSES: i64 = 10_000;

/// Try dead letters again.
///
/// Their exact bytes go through the same pipeline. What is stored now, or was before, is closed; what is rejected
/// again stays open, one attempt later. By fingerprint. With `Accept: application/x-ndjson` the answer comes as lines:
/// `{"done": …, "of": …}` as it goes on, and at last the list, or the problem that ended it. Without, it has a minute.
/// That, or whoever hangs up, ends it in order: what was decided stays so, and the same request goes on from there.
#[utoipa::path(
    post,
    path = "",
    tag = "Rejections",
    request_body(content((Meant = "application/json", example = json!({"kind": "purchase", "code": "unknown_user", "since": "3d", "dry_run": true})))),
    responses(
        (
            status = 200,
            description = "What became of them",
            body = List<Replayed>,
            example = json!({
                "items": [{
                    "fingerprint": "724551020868003c", "matched": 240, "would_pass": 213, "stored": 0, "duplicate": 0,
                    "rejected": 27, "skipped": 0, "unreadable": 0,
                }],
                "next": null,
            }),
        ),
        (status = 408, description = "The body did not arrive within 5 seconds.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
    ),
)]
pub(in crate::api) async fn replay(
    State(api): State<Api>,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let (asked, filter, dry_run) = asked(query, body).await?;
    asked.finish()?;
    let room = api.dead_letters.room().await?;
    let total = count(&api.pool, &filter).await?;
    answer(&api, &headers, total, move |api, shutdown, progress: Progress| async move {
        let _room = room;
        let replay = api.dead_letters.replay(shutdown, dry_run);
        let done =
            |so_far: &crate::dead_letters::Replayed| so_far.tallies.values().map(|tally| tally.matched).sum::<u64>();
        let replayed = replay.run(&filter, |so_far| progress.is(done(so_far))).await?;
        let items = replayed.tallies.into_iter().map(|(name, tally)| Replayed::of(name, tally, dry_run));
        Ok::<_, Problem>(List::all(items.collect()))
    })
    .await
}

/// Mark dead letters as not wanted.
///
/// They are kept, with `because`, and tried again by nothing. Without any filter all open ones are meant. By
/// fingerprint. Progress comes as for `POST /dead-letters/replay`.
#[utoipa::path(
    post,
    path = "",
    tag = "Rejections",
    request_body(content((Meant = "application/json", example = json!({"fingerprint": "724551020868003c", "because": "sent by a test of the shop"})))),
    responses(
        (
            status = 200,
            description = "How many are",
            body = List<Discarded>,
            example = json!({
                "items": [{"fingerprint": "724551020868003c", "matched": 27, "discarded": 27}], "next": null,
            }),
        ),
        (status = 408, description = "The body did not arrive within 5 seconds.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
    ),
)]
pub(in crate::api) async fn discard(
    State(api): State<Api>,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let (mut asked, filter, dry_run) = asked(query, body).await?;
    let because = asked.required("because", "why they are not wanted: a text without NUL", |text| {
        let text = text.trim();
        (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
    });
    asked.finish()?;
    let room = api.dead_letters.room().await?;
    let total = count(&api.pool, &filter).await?;
    answer(&api, &headers, total, move |api, shutdown, progress: Progress| async move {
        let _room = room;
        if dry_run {
            let groups = groups(&api.pool, &filter, None, CAUSES).await?;
            let items = groups.into_iter().map(|group| Discarded::of(group.fingerprint, group.count.unsigned_abs(), 0));
            return Ok(List::all(items.collect()));
        }
        let because = because.unwrap_or_default();
        let done = |so_far: &discarding::Discarded| so_far.values().sum::<u64>();
        let discarded =
            discarding::discard(&api.pool, &filter, &because, &shutdown, |so_far| progress.is(done(so_far))).await?;
        Ok::<_, Problem>(List::all(
            discarded.into_iter().map(|(name, count)| Discarded::of(name, count, count)).collect(),
        ))
    })
    .await
}

impl Replayed {
    fn of(fingerprint: String, tally: Tally, dry_run: bool) -> Self {
        let Tally { matched, stored, duplicate, rejected, ignored, unreadable } = tally;
        let (would_pass, stored, duplicate) =
            if dry_run { (Some(stored + duplicate), 0, 0) } else { (None, stored, duplicate) };
        Replayed { fingerprint, matched, would_pass, stored, duplicate, rejected, skipped: ignored, unreadable }
    }
}

impl Discarded {
    fn of(fingerprint: String, matched: u64, discarded: u64) -> Self {
        Discarded { fingerprint, matched, discarded }
    }
}

/// Which dead letters are meant, and whether only to say what would happen; first the rest of what the body says.
async fn asked(query: Query, body: Body) -> Result<(Query, Filter, bool), Problem> {
    query.finish()?;
    let mut asked = read(body).await?;
    let filter = Filter { ids: asked.ids(), ..asked.open_letters() };
    let dry_run = asked.one_of("dry_run", &["true", "false"]) == Some("true");
    Ok((asked, filter, dry_run))
}

/// The members of the body; a list of ids becomes a text of them, and a truth a word.
async fn read(body: Body) -> Result<Query, Problem> {
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 5 seconds");
    let large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY_BYTES} bytes"));
    let body = timeout(PATIENCE, to_bytes(body, BODY_BYTES)).await.map_err(late)?.map_err(large)?;
    Query::of_json_with(&body, as_text)
}

fn as_text(value: Value) -> Value {
    match value {
        Value::Bool(truth) => truth.to_string().into(),
        Value::Array(texts) if texts.iter().all(Value::is_string) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            texts.join(",").into()
        }
        other => other,
    }
}
