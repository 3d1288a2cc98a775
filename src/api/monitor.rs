//! How many events each version of an A/B test has, by country.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::parameters::Query;
use super::problem::Problem;

/// The events of one version in one country.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(as = VersionEvents)]
pub(super) struct Events {
    /// As in `shoppers`, or `unknown`.
    country: String,
    version: String,
    nbr_events: i64,
}

/// Events of the A/B test per country and version.
///
/// By country, then version. The country is that of the shopper when the event came in; `unknown` while there
/// is no such shopper, or it has no country. When the shopper comes later, its events move to its country
/// within seconds. `GET //monitor` answers the same.
#[utoipa::path(
    get,
    path = "",
    tag = "A/B tests",
    params((
        "country" = Option<String>, Query,
        description = "Only this one, spelled exactly as here. Default, also when it is empty: all."
    )),
    responses((
        status = 200,
        description = "The countries and versions",
        body = Vec<Events>,
        example = json!([
            {"country": "DE", "version": "A", "nbr_events": 5021},
            {"country": "DE", "version": "B", "nbr_events": 4987},
            {"country": "unknown", "version": "A", "nbr_events": 12},
        ]),
    )),
)]
pub(super) async fn events(State(api): State<Api>, mut query: Query) -> Result<Json<Vec<Events>>, Problem> {
    let country = query.read("country", "a text without NUL", |text| (!text.contains('\0')).then(|| text.to_owned()));
    let country = country.filter(|country| !country.is_empty());
    query.finish()?;
    Ok(Json(sqlx::query_as(EVENTS).bind(country).fetch_all(&api.pool).await?))
}

/// What has moved to another country has left a sum of zero behind.
const EVENTS: &str = "
    SELECT country, version, sum(events)::bigint AS nbr_events
    FROM ab_split
    WHERE country = coalesce($1, country)
    GROUP BY country, version
    HAVING sum(events) <> 0
    ORDER BY country COLLATE \"C\", version COLLATE \"C\"";
