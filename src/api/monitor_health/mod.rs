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

/// The health of the split: does every version get the share of users that it should, overall and in
/// each country (sample ratio mismatch)?
///
/// **Test.** Pearson's chi-square test of goodness of fit on distinct users: `χ² = Σ (users − expected)² /
/// expected` over the versions of `expected`, where expected users are the share of the version times
/// the users of all of them; `p_value` is the probability that a chi-square variable with one degree of
/// freedom less than there are versions is at least so large (NIST/SEMATECH e-Handbook of Statistical
/// Methods, 1.3.5.15). Both are null where some version would have fewer than five expected users, or there
/// are fewer than two versions. The shares of `expected` are `AB_EXPECTED_SPLIT`, or equal over the
/// versions seen; users of other versions stand outside of the test.
///
/// **Verdicts.** A split is `unhealthy` at p < 0.001 (the bound of Kohavi, Tang and Xu, "Trustworthy Online
/// Controlled Experiments", chapter 21), otherwise `healthy` with at least `AB_MINIMUM_USERS` users (default
/// 100: with fewer, not even 2:1 instead of 1:1 would be flagged), otherwise `not_enough_data`. Each country
/// is judged by itself at p < 0.001, so of a thousand healthy countries about one is flagged. The verdict of
/// the whole is unhealthy when all users together are flagged, or a country has p < 0.001 / (number of
/// countries tested): by Bonferroni's inequality, many countries do not raise the alarm by their number.
///
/// **Users** are distinct values of `user_id`. One with events of two versions counts in both, and once in
/// `crossover_users`. `unknown` stands for shoppers who are not known: they are a country here, except that
/// they have no `last_event`, since their events move on to their countries.
///
/// **`unseen_versions`**: versions with events that `expected` does not name, and versions that it does name
/// without any event. **`silent_countries`**: those whose latest event is more than `AB_SILENT_HOURS`
/// (default 48, so that days without a time do not count) before the latest of all countries, or before
/// now where that is earlier. Dates are those that the clients sent. Everything is of all time, by country.
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
