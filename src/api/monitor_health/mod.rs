//! Is the split of an A/B test what it should be?

mod goodness_of_fit;
mod report;

use axum::Json;
use axum::extract::State;
use chrono::Utc;

use super::Api;
use super::parameters::Query;
use super::problem::Problem;
use report::{Count, Report};

/// The health of the split of an A/B test.
///
/// Does every version get the share of users that it should, overall and in each country, or is there a
/// sample ratio mismatch?
///
/// **Test.** Pearson's chi-square test of goodness of fit on distinct users: χ² = Σ (users − expected)² /
/// expected over the versions of `expected`, where as many users are expected of a version as its share of
/// the users of all of them. `p_value` is the probability that a chi-square variable with one degree of
/// freedom less than there are versions is at least so large (NIST/SEMATECH e-Handbook of Statistical
/// Methods, 1.3.5.15). Both are null where some version has fewer than five expected users, and where there
/// are fewer than two versions. `expected` is `AB_EXPECTED_SPLIT`; unset, all versions seen have equal shares.
/// Users of versions that are not expected stand outside of the test.
///
/// **Verdicts.** A split is `unhealthy` at p < 0.001, as Kohavi, Tang and Xu, "Trustworthy Online Controlled
/// Experiments", chapter 21, suggest; else `healthy` with `AB_MINIMUM_USERS` (default 100) or more users: among
/// fewer, not even 2:1 instead of 1:1 would be flagged; else `not_enough_data`. Each country is judged by
/// itself, so that of a thousand healthy countries about one is flagged. The whole is unhealthy when all of
/// its users together are flagged, or when a country has p < 0.001 divided by the number of countries tested:
/// by Bonferroni's inequality (the same handbook, 7.4.7.3), their number does not raise the alarm.
///
/// **Users** are distinct values of `user_id`. One who has events of two versions counts in both, and once in
/// `crossover_users`. `unknown` stands for the shoppers that are not known; it is judged like a country, but
/// has no `last_event`, since its events move on.
///
/// **Versions** are unseen when they have events and `expected` does not name them, or when it does and they
/// have none. **Countries** are silent when their latest event is more than `AB_SILENT_HOURS` (default 48, so
/// that dates without a time do no harm) before the latest event of all, or before now where that is earlier.
///
/// Dates are those that the clients sent. Everything is of all time; countries and versions are in order.
#[utoipa::path(
    get,
    path = "",
    tag = "A/B tests",
    responses((
        status = 200,
        description = "The health",
        body = Report,
        example = json!({
            "verdict": "unhealthy",
            "expected": {"A": 0.5, "B": 0.5},
            "overall": {
                "users": {"A": 626, "B": 376}, "events": {"A": 1840, "B": 1102},
                "chi_square": 62.375249500998, "p_value": 2.838684813753605e-15,
            },
            "countries": [
                {
                    "country": "DE", "verdict": "healthy", "users": {"A": 251, "B": 250},
                    "p_value": 0.9643650017422594, "last_event": "2026-11-21T12:04:11Z",
                },
                {
                    "country": "FR", "verdict": "unhealthy", "users": {"A": 375, "B": 126},
                    "p_value": 9.533935146683625e-29, "last_event": "2026-11-18T00:00:00Z",
                },
            ],
            "crossover_users": 1,
            "unseen_versions": [],
            "silent_countries": ["FR"],
            "first_event": "2026-11-01T00:00:00Z",
            "last_event": "2026-11-21T12:04:11Z",
        }),
    )),
)]
pub(super) async fn health(State(api): State<Api>, query: Query) -> Result<Json<Report>, Problem> {
    query.finish()?;
    let counts: Vec<Count> = sqlx::query_as(COUNTS).fetch_all(&api.pool).await?;
    Ok(Json(Report::of(&counts, &api.ab, Utc::now())))
}

/// One statement, so that all counts are of one moment.
const COUNTS: &str = "
    SELECT country, version, sum(events)::bigint AS events, sum(users)::bigint AS users, 0::bigint AS crossover_users,
           min(first_event) AS first_event, max(last_event) AS last_event
    FROM ab_split
    GROUP BY country, version
    UNION ALL
    SELECT NULL, version, 0, sum(users)::bigint, sum(crossover_users)::bigint, NULL, NULL
    FROM ab_audience
    GROUP BY version";
