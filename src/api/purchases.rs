//! One purchase with its lines.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::money::Money;
use super::parameters::Query;
use super::problem::{Fault, LetterSummary, Problem};
use super::{Api, UNKNOWN};
use crate::events::{EventKind as _, Purchase};

/// A purchase.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Purchase)]
pub(super) struct PurchaseView {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    user_id: Uuid,
    /// Two letters, or `unknown`.
    state: String,
    lines: Vec<Line>,
}

/// A line of the cart, with the article's name and price when the purchase came in; null where it had none.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
struct Line {
    /// Its place in the cart, from 1.
    line: i16,
    article_id: Uuid,
    #[schema(required)]
    article_name: Option<String>,
    quantity: i32,
    #[schema(required)]
    unit_price: Option<Money>,
    #[schema(required)]
    currency: Option<String>,
    /// Quantity times price.
    #[schema(required)]
    amount: Option<Money>,
}

#[derive(sqlx::FromRow)]
struct Sale {
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    user_id: Uuid,
    state: Option<String>,
    #[sqlx(flatten)]
    line: Line,
}

/// One purchase with its lines.
///
/// As it is stored, lines in the order of the cart. State is that of the user's address when the purchase
/// came in: the two letters before the ZIP, military (AA, AE, AP) and territories included; `unknown` when
/// the address has none.
#[utoipa::path(
    get,
    path = "",
    tag = "Sales",
    params(("id" = Uuid, Path, description = "The purchase's id (`id_` of the event).")),
    responses(
        (
            status = 200,
            description = "The purchase",
            body = PurchaseView,
            example = json!({
                "id": "ae2e9931-7b10-4089-98a5-0aeba3d9fe6d", "occurred_at": "2026-11-21T10:13:54.170910Z",
                "received_at": "2026-11-21T10:13:54.187974Z", "user_id": "a853753d-171d-4c11-8163-8e69819261aa",
                "state": "AA",
                "lines": [{
                    "line": 1, "article_id": "128a98a8-00be-4b67-bc66-e27060a6da0c",
                    "article_name": "Heavy Cotton Mirror", "quantity": 3, "unit_price": 91.51, "currency": "EUR",
                    "amount": 274.53,
                }],
            }),
        ),
        (
            status = 404,
            description = "There is none. Where its id was rejected, `dead_letters` names what it became.",
            body = Problem,
            example = json!({
                "type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "purchase ae2e9931-7b10-4089-98a5-0aeba3d9fe6d is not stored: it was rejected, see 1 dead letter(s)",
                "errors": [],
                "dead_letters": [{
                    "id": "3152b205-0468-8845-b350-820562235101", "reason": "reference",
                    "fingerprint": "724551020868003c",
                }],
            }),
        ),
    ),
)]
pub(super) async fn show(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Query,
) -> Result<Json<PurchaseView>, Problem> {
    query.finish()?;
    let Path(text) = id?;
    let id = Uuid::try_parse(&text)
        .map_err(|_| Problem::parameters(vec![Fault::parameter("format", "id", "a uuid", &text)]))?;
    let sales: Vec<Sale> = sqlx::query_as("SELECT * FROM sales WHERE purchase_id = $1 ORDER BY line")
        .bind(id)
        .fetch_all(&api.pool)
        .await?;
    match PurchaseView::of(id, sales) {
        Some(purchase) => Ok(Json(purchase)),
        None => Err(not_found(&api.pool, id).await?),
    }
}

impl PurchaseView {
    fn of(id: Uuid, sales: Vec<Sale>) -> Option<Self> {
        let mut sales = sales.into_iter();
        let Sale { occurred_at, received_at, user_id, state, line } = sales.next()?;
        let lines = std::iter::once(line).chain(sales.map(|sale| sale.line)).collect();
        let state = state.unwrap_or_else(|| UNKNOWN.to_owned());
        Some(PurchaseView { id, occurred_at, received_at, user_id, state, lines })
    }
}

async fn not_found(pool: &PgPool, id: Uuid) -> Result<Problem, Problem> {
    let letters: Vec<LetterSummary> = sqlx::query_as(
        "SELECT id, reason, fingerprint FROM dead_letters WHERE kind = $1 AND event_key = $2 ORDER BY failed_at, id",
    )
    .bind(Purchase::NAME)
    .bind(id.to_string())
    .fetch_all(pool)
    .await?;
    let detail = match letters.as_slice() {
        [] => format!("no purchase {id} has been seen"),
        letters => format!("purchase {id} is not stored: it was rejected, see {} dead letter(s)", letters.len()),
    };
    Ok(Problem::new(StatusCode::NOT_FOUND, detail).with_dead_letters(letters))
}
