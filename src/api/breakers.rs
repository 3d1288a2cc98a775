//! What is held back because too many events are rejected, and what a person may do about it.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use utoipa::ToSchema;

use super::events::unknown_kind;
use super::parameters::Query;
use super::problem::Problem;
use super::{Api, List};
use crate::breaker::operator::{self, Order};
use crate::breaker::state::{self, Breaker};
use crate::events::{Kind, KindName};

/// Breakers that ever opened.
///
/// A breaker stands before each Pub/Sub subscription. It opens when more than a set share (`BREAKER_RATIO`) of
/// the new events within `BREAKER_WINDOW_SECONDS` is rejected, of at least `BREAKER_MINIMUM_EVENTS`; and at
/// once when events are rejected because `users` or `articles` was emptied or holds less than a set share
/// (`BREAKER_REFERENCE_SHARE`) of the rows of the last day. New are events that were not decided before:
/// duplicates and ignored ones count neither way. While it is open, all events of the kind that come from
/// Pub/Sub are held, neither stored nor acknowledged, and judged again every few seconds; when few enough of
/// those held would be rejected, it closes by itself. Events over HTTP and from files do not count and are not
/// held.
///
/// By kind, then subscription. One that is not in the list was never open. `next` is always null.
#[utoipa::path(
    get,
    path = "",
    tag = "Rejections",
    responses((
        status = 200,
        description = "The breakers",
        body = List<Breaker>,
        example = json!({
            "items": [{
                "kind": "purchase", "subscription": "projects/data-engineering/subscriptions/purser-purchases",
                "state": "open", "cause": "references", "because": "users is empty",
                "since": "2026-11-21T10:14:17.197157Z", "forced_until": null, "held": 1620, "held_rejected": 1488,
            }],
            "next": null,
        }),
    )),
)]
pub(super) async fn list(State(api): State<Api>, query: Query) -> Result<Json<List<Breaker>>, Problem> {
    query.finish()?;
    Ok(Json(List::all(state::list(&api.pool).await?)))
}

/// What is to become of the events of a kind.
#[derive(ToSchema)]
#[schema(as = BreakerOrder)]
#[expect(dead_code, reason = "the document alone is made of it")]
struct Orders {
    /// `force`: all pass, rejected or not, until few enough are rejected or, with `minutes`, for so long.
    /// `hold`: they are held until another order. `resume`: they pass again, as long as few enough are rejected.
    order: Word,
    /// Only with `force`.
    minutes: Option<u32>,
    /// Why, for whoever looks later. Default: `by hand`.
    because: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = BreakerOrderWord, rename_all = "lowercase")]
#[expect(dead_code, reason = "the document alone is made of it")]
enum Word {
    Force,
    Hold,
    Resume,
}

const WORDS: [&str; 3] = ["force", "hold", "resume"];

/// Opens or closes the breaker of a kind, or forces through what it holds.
///
/// What is forced and rejected becomes a dead letter, as ever. Where the breaker had opened because a reference
/// table was emptied, forcing takes the table to be right as it is. Workers notice within a second.
#[utoipa::path(
    post,
    path = "",
    tag = "Rejections",
    params(("kind" = inline(KindName), Path, description = "Kind of event.")),
    request_body(content((
        Orders = "application/json",
        example = json!({"order": "force", "because": "the shop will not send them again"}),
    ))),
    responses(
        (
            status = 200,
            description = "The breaker as it is now",
            body = Breaker,
            example = json!({
                "kind": "purchase", "subscription": "projects/data-engineering/subscriptions/purser-purchases",
                "state": "forced", "cause": "operator", "because": "the shop will not send them again",
                "since": "2026-11-21T10:20:01.220114Z", "forced_until": null, "held": 0, "held_rejected": 0,
            }),
        ),
        (status = 404, description = "There is no such kind of event.", body = Problem),
        (status = 408, description = "The body did not arrive within 5 seconds.", body = Problem),
        (status = 413, description = "The body is larger than 64 KiB.", body = Problem),
    ),
)]
pub(super) async fn order(
    State(api): State<Api>,
    kind: Result<Path<String>, PathRejection>,
    query: Query,
    body: Body,
) -> Result<Json<Breaker>, Problem> {
    let Path(kind) = kind?;
    let kind = Kind::named(&kind).ok_or_else(|| unknown_kind(&api, &kind))?;
    query.finish()?;
    let (order, because) = read(Query::of_body(body).await?)?;
    Ok(Json(operator::order(&api.pool, &api.project, kind, order, &because).await?))
}

fn read(mut body: Query) -> Result<(Order, String), Problem> {
    let word = |text: &str| WORDS.into_iter().find(|word| *word == text);
    let order = body.required("order", "one of force, hold, resume", word);
    let minutes = body.whole("minutes", 1..=10_080);
    if minutes.is_some() && order.is_some_and(|order| order != "force") {
        body.fault("unknown_parameter", "minutes", "only with force", minutes.unwrap_or_default());
    }
    let because = body.text("because").unwrap_or_else(|| "by hand".to_owned());
    body.finish()?;
    let time = minutes.map(|minutes| Duration::from_secs(60 * minutes.unsigned_abs()));
    let order = match order {
        Some("force") => Order::Force(time),
        Some("hold") => Order::Hold,
        _ => Order::Resume,
    };
    Ok((order, because))
}
