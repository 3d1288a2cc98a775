//! Where orders go.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::{Dates, Query};
use super::problem::Problem;
use super::{Api, List};

/// What was ordered in a province.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(super) struct ProvinceSales {
    /// `unknown` where neither address has one.
    province: String,
    orders: i64,
    /// The lines of these orders.
    line_items: i64,
    /// The sum of the lines' quantities.
    units: i64,
    #[serde(skip)]
    key: String,
}

/// Orders, line items and units sold, per province.
///
/// By province, in lower case. The province is that of the shipping address, or of the billing address where
/// that has none; `unknown` when neither has one. Spellings that differ in nothing but the case of letters or
/// the blanks around them are one province, under the spelling that most of its orders have. A province that
/// nothing was sold in has no item. The period is about `event_date`, or the time of receipt of an order that
/// has none.
#[utoipa::path(
    get,
    path = "",
    tag = "Orders",
    params(
        Dates,
        ("province" = Option<String>, Query, description = "Only this one, in any case. Default: all.", example = "idaho"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "Most items. Default: 1000."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before. Default: the first page."),
    ),
    responses((
        status = 200,
        description = "The provinces",
        body = List<ProvinceSales>,
        example = json!({
            "items": [{"province": "Idaho", "orders": 2, "line_items": 2, "units": 4}],
            "next": null,
        }),
    )),
)]
pub(super) async fn province(State(api): State<Api>, mut query: Query) -> Result<Json<List<ProvinceSales>>, Problem> {
    let period = query.dates();
    let province = query.name("province").map(|name| name.to_lowercase());
    let limit = query.whole("limit", 1..=1000).unwrap_or(1000);
    let after = query.cursor(|key: &String| !key.contains('\0'));
    query.finish()?;
    let page = sqlx::query_as(BY_PROVINCE).persistent(false).bind(period.from).bind(period.to).bind(province);
    let items = page.bind(after).bind(limit + 1).fetch_all(&api.pool).await?;
    Ok(Json(List::page(items, limit, |item: &ProvinceSales| item.key.clone())))
}

const BY_PROVINCE: &str = "
    WITH spelled AS (
        SELECT coalesce(province_key, 'unknown') AS key, coalesce(province, 'unknown') AS province,
               count(*) AS orders, sum(line_items) AS line_items, sum(units) AS units
        FROM order_events
        WHERE ordered_at >= coalesce($1, '-infinity') AND ordered_at < coalesce($2, 'infinity')
            AND coalesce(province_key, 'unknown') = coalesce($3, province_key, 'unknown')
        GROUP BY 1, 2
    )
    SELECT key, (array_agg(province ORDER BY orders DESC, province))[1] AS province, sum(orders)::bigint AS orders,
           sum(line_items)::bigint AS line_items, sum(units)::bigint AS units
    FROM spelled
    WHERE key > coalesce($4, '')
    GROUP BY key
    ORDER BY key
    LIMIT $5";
