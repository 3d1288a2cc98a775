//! One purchase with its lines.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::money::Money;
use super::parameters::Query;
use super::problem::{Fault, LetterSummary, Problem};
use super::{Api, UNKNOWN};
use crate::events::{EventKind as _, Purchase};

/// A purchase. State is that of the user's address when the purchase came in: the two letters before the
/// ZIP, military (AA, AE, AP) and territories included; `unknown` when the address has none.
#[derive(Debug, Serialize)]
pub(super) struct PurchaseView {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    user_id: Uuid,
    state: String,
    lines: Vec<Line>,
}

/// A line of the cart, with the article's name and price when the purchase came in; null where it had none.
#[derive(Debug, Serialize, sqlx::FromRow)]
struct Line {
    line: i16,
    article_id: Uuid,
    article_name: Option<String>,
    quantity: i32,
    unit_price: Option<Money>,
    currency: Option<String>,
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

/// One purchase as it is stored, lines in the order of the cart. 404 when there is none; where its id was
/// rejected, the answer names the dead letters.
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
