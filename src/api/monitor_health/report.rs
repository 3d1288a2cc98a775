//! From counts to verdicts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::goodness_of_fit::Fit;
use crate::api::UNKNOWN;
use crate::config::AbConfig;

/// Below this p-value a split is unhealthy.
const FLAGGED: f64 = 0.001;

/// What is counted of one version, in one country or in all of them.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Count {
    /// Null: of the whole test.
    pub(super) country: Option<String>,
    pub(super) version: String,
    pub(super) events: i64,
    pub(super) users: i64,
    pub(super) crossover_users: i64,
    pub(super) first_event: Option<DateTime<Utc>>,
    pub(super) last_event: Option<DateTime<Utc>>,
}

/// What the users say about the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SplitVerdict)]
enum Verdict {
    Healthy,
    Unhealthy,
    NotEnoughData,
}

/// The health of the test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SplitHealth)]
pub(in crate::api) struct Report {
    verdict: Verdict,
    /// The share of users that each version should have.
    expected: BTreeMap<String, f64>,
    overall: Overall,
    countries: Vec<Country>,
    /// Users with events of more than one version.
    crossover_users: i64,
    /// Versions that `expected` does not name, and versions of `expected` without any event.
    unseen_versions: Vec<String>,
    /// Countries whose latest event is too long before the latest of all.
    silent_countries: Vec<String>,
    /// The date of the earliest event of all; null when there is none.
    #[schema(required)]
    first_event: Option<DateTime<Utc>>,
    /// The date of the latest event of all; null when there is none.
    #[schema(required)]
    last_event: Option<DateTime<Utc>>,
}

/// All users together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SplitOverall)]
struct Overall {
    /// Distinct users per version.
    users: BTreeMap<String, i64>,
    /// Events per version.
    events: BTreeMap<String, i64>,
    /// Null where nothing can be said.
    #[schema(required)]
    chi_square: Option<f64>,
    /// Null where nothing can be said.
    #[schema(required)]
    p_value: Option<f64>,
}

/// The users of one country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SplitCountry)]
struct Country {
    country: String,
    verdict: Verdict,
    /// Distinct users per version.
    users: BTreeMap<String, i64>,
    /// Null where nothing can be said.
    #[schema(required)]
    p_value: Option<f64>,
    /// The date of the latest event; null for `unknown`.
    #[schema(required)]
    last_event: Option<DateTime<Utc>>,
}

impl Report {
    pub(super) fn of(counts: &[Count], rules: &AbConfig, now: DateTime<Utc>) -> Self {
        let seen: BTreeSet<&str> =
            counts.iter().filter(|count| count.events > 0).map(|count| count.version.as_str()).collect();
        let expected = rules.ab_expected_split.shares(&seen);
        let judge = Judge { rules, expected: &expected, seen: &seen };
        let (whole, by_country): (Vec<&Count>, Vec<&Count>) = counts.iter().partition(|count| count.country.is_none());
        let countries = judge.countries(&by_country);
        let users = judge.users(&whole);
        let fit = judge.fit(&users);
        let last_event = by_country.iter().filter_map(|count| count.last_event).max();
        Report {
            verdict: overall(judge.verdict(fit, &users), &countries),
            overall: Overall {
                users,
                events: judge.per_version(&by_country, |count| count.events),
                chi_square: fit.map(|fit| fit.chi_square),
                p_value: fit.map(|fit| fit.p_value),
            },
            crossover_users: whole.iter().map(|count| count.crossover_users).sum(),
            unseen_versions: judge.unseen_versions(),
            silent_countries: silent(&countries, last_event, TimeDelta::hours(rules.ab_silent_hours.into()), now),
            countries,
            first_event: by_country.iter().filter_map(|count| count.first_event).min(),
            last_event,
            expected,
        }
    }
}

/// The verdict on the whole test.
///
/// It is unhealthy when all of its users together say so, or those of a country whose p-value is below
/// 0.001 divided by the number of countries tested: however many there are, chance makes the whole unhealthy
/// through some country in at most one of a thousand healthy tests (Bonferroni's inequality, NIST 7.4.7.3).
fn overall(users: Verdict, countries: &[Country]) -> Verdict {
    let p_values: Vec<f64> = countries.iter().filter_map(|country| country.p_value).collect();
    let flagged = p_values.iter().any(|p_value| p_value * (p_values.len() as f64) < FLAGGED);
    if flagged { Verdict::Unhealthy } else { users }
}

/// What all splits of a report are judged by.
struct Judge<'r> {
    rules: &'r AbConfig,
    expected: &'r BTreeMap<String, f64>,
    seen: &'r BTreeSet<&'r str>,
}

impl Judge<'_> {
    fn countries(&self, counts: &[&Count]) -> Vec<Country> {
        let mut by_country: BTreeMap<&str, Vec<&Count>> = BTreeMap::new();
        for count in counts.iter().filter(|count| count.events > 0) {
            by_country.entry(count.country.as_deref().unwrap_or_default()).or_default().push(count);
        }
        by_country.into_iter().map(|(country, counts)| self.country(country, &counts)).collect()
    }

    fn country(&self, country: &str, counts: &[&Count]) -> Country {
        let users = self.users(counts);
        let fit = self.fit(&users);
        let last_event = counts.iter().filter_map(|count| count.last_event).max();
        Country {
            country: country.to_owned(),
            verdict: self.verdict(fit, &users),
            p_value: fit.map(|fit| fit.p_value),
            last_event: last_event.filter(|_| country != UNKNOWN),
            users,
        }
    }

    fn users(&self, counts: &[&Count]) -> BTreeMap<String, i64> {
        self.per_version(counts, |count| count.users)
    }

    /// Every version that is expected or seen stands in every such map.
    fn per_version(&self, counts: &[&Count], measure: impl Fn(&Count) -> i64) -> BTreeMap<String, i64> {
        let versions = self.seen.iter().copied().chain(self.expected.keys().map(String::as_str));
        let mut sums: BTreeMap<String, i64> = versions.map(|version| (version.to_owned(), 0)).collect();
        for count in counts {
            if let Some(sum) = sums.get_mut(&count.version) {
                *sum += measure(count);
            }
        }
        sums
    }

    /// Users of versions that are not expected stand outside of the test.
    fn fit(&self, users: &BTreeMap<String, i64>) -> Option<Fit> {
        let versions = self.expected.iter().map(|(version, share)| (users.get(version).copied().unwrap_or(0), *share));
        Fit::of(&versions.collect::<Vec<_>>())
    }

    fn verdict(&self, fit: Option<Fit>, users: &BTreeMap<String, i64>) -> Verdict {
        let tested: i64 = self.expected.keys().filter_map(|version| users.get(version)).sum();
        match fit {
            Some(fit) if fit.p_value < FLAGGED => Verdict::Unhealthy,
            Some(_) if tested >= i64::from(self.rules.ab_minimum_users) => Verdict::Healthy,
            _ => Verdict::NotEnoughData,
        }
    }

    fn unseen_versions(&self) -> Vec<String> {
        let expected: BTreeSet<&str> = self.expected.keys().map(String::as_str).collect();
        self.seen.symmetric_difference(&expected).map(|version| (*version).to_owned()).collect()
    }
}

/// Compared with the latest event of all, not with the clock, so that a test whose events are brought in
/// later is judged as it was then; a client whose clock is ahead does not count beyond `now`.
fn silent(
    countries: &[Country],
    last_event: Option<DateTime<Utc>>,
    silent_after: TimeDelta,
    now: DateTime<Utc>,
) -> Vec<String> {
    let Some(latest) = last_event.map(|last| last.min(now)) else { return Vec::new() };
    let silent = |country: &&Country| country.last_event.is_some_and(|last| latest - last > silent_after);
    countries.iter().filter(silent).map(|country| country.country.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn rules(expected: &str) -> AbConfig {
        AbConfig { ab_expected_split: expected.parse().unwrap(), ab_minimum_users: 100, ab_silent_hours: 48 }
    }

    /// Counts of users by country and version; the whole test has them all.
    fn counts(users: &[(&str, &str, i64)]) -> Vec<Count> {
        let count = |country: Option<&str>, version: &str, users| Count {
            country: country.map(str::to_owned),
            version: version.to_owned(),
            events: country.map_or(0, |_| users),
            users,
            crossover_users: 0,
            first_event: country.map(|_| NOW.parse().unwrap()),
            last_event: country.map(|_| NOW.parse().unwrap()),
        };
        let whole = users.iter().map(|(_, version, users)| count(None, version, *users));
        users.iter().map(|(country, version, users)| count(Some(country), version, *users)).chain(whole).collect()
    }

    fn report(counts: &[Count], rules: &AbConfig) -> Value {
        serde_json::to_value(Report::of(counts, rules, NOW.parse().unwrap())).unwrap()
    }

    fn verdicts(users: &[(&str, &str, i64)], expected: &str) -> Vec<String> {
        let report = report(&counts(users), &rules(expected));
        let countries = report["countries"].as_array().unwrap();
        let verdicts = std::iter::once(&report).chain(countries).map(|judged| &judged["verdict"]);
        verdicts.map(|verdict| verdict.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_split_is_healthy_when_it_is_as_expected_and_there_are_users_enough() {
        assert_eq!(verdicts(&[("DE", "A", 505), ("DE", "B", 495)], ""), ["healthy", "healthy"]);
        assert_eq!(verdicts(&[("DE", "A", 905), ("DE", "B", 95)], "A=9,B=1"), ["healthy", "healthy"]);
        assert_eq!(verdicts(&[("DE", "A", 40), ("DE", "B", 40)], ""), ["not_enough_data", "not_enough_data"]);
        assert_eq!(verdicts(&[("DE", "A", 1000)], ""), ["not_enough_data", "not_enough_data"]);
        assert_eq!(verdicts(&[], ""), ["not_enough_data"]);
        assert_eq!(verdicts(&[], "A=1,B=1"), ["not_enough_data"]);
    }

    #[test]
    fn a_mismatch_is_told_before_there_are_users_enough_for_health() {
        assert_eq!(verdicts(&[("DE", "A", 600), ("DE", "B", 400)], ""), ["unhealthy", "unhealthy"]);
        assert_eq!(verdicts(&[("DE", "A", 500), ("DE", "B", 500)], "A=9,B=1"), ["unhealthy", "unhealthy"]);
        assert_eq!(verdicts(&[("DE", "A", 20)], "A=1,B=1"), ["unhealthy", "unhealthy"]);
        assert_eq!(verdicts(&[("DE", "A", 9)], "A=1,B=1"), ["not_enough_data", "not_enough_data"]);
    }

    #[test]
    fn countries_that_cancel_out_are_seen_one_by_one() {
        let users = [("DE", "A", 600), ("DE", "B", 400), ("FR", "A", 400), ("FR", "B", 600), ("unknown", "A", 3)];
        assert_eq!(verdicts(&users, ""), ["unhealthy", "unhealthy", "unhealthy", "not_enough_data"]);
    }

    /// 67 to 33 has a p-value of 0.00067: enough to flag one country, not enough when ten were looked at.
    #[test]
    fn many_countries_do_not_make_the_whole_unhealthy_by_chance() {
        let lonely = [("AT", "A", 67), ("AT", "B", 33)];
        assert_eq!(verdicts(&lonely, ""), ["unhealthy", "unhealthy"]);
        let others = ["BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "IT"];
        let others = others.into_iter().flat_map(|country| [(country, "A", 200), (country, "B", 200)]);
        let found = verdicts(&lonely.into_iter().chain(others).collect::<Vec<_>>(), "");
        assert_eq!((found[0].as_str(), found[1].as_str(), found[2].as_str()), ("healthy", "unhealthy", "healthy"));
    }

    #[test]
    fn versions_that_only_the_split_or_only_the_events_have_are_named() {
        let users = [("DE", "A", 500), ("DE", "B", 500), ("DE", "b", 7)];
        let report = report(&counts(&users), &rules("A=1,B=1,C=2"));
        assert_eq!(report["unseen_versions"], json!(["C", "b"]));
        assert_eq!(report["expected"], json!({"A": 0.25, "B": 0.25, "C": 0.5}));
        assert_eq!(report["overall"]["users"], json!({"A": 500, "B": 500, "C": 0, "b": 7}));
        assert_eq!(report["overall"]["chi_square"], 1000.0, "the 7 of b are not in the test");
    }

    #[test]
    fn a_country_is_silent_when_the_others_are_not() {
        let mut counts = counts(&[("DE", "A", 1), ("FR", "A", 1), ("GB", "A", 1), ("unknown", "A", 1)]);
        let last = ["2026-05-29T23:59:59Z", "2026-05-30T00:00:00Z", "2026-06-01T20:00:00Z", "2020-01-01T00:00:00Z"];
        for (count, last) in counts.iter_mut().zip(last) {
            count.last_event = Some(last.parse().unwrap());
        }
        let report = report(&counts, &rules(""));
        assert_eq!(report["silent_countries"], json!(["DE"]));
        assert_eq!(report["last_event"], "2026-06-01T20:00:00Z");
        assert_eq!(report["countries"][3]["last_event"], Value::Null);
    }

    #[test]
    fn what_has_moved_on_is_not_there_any_more() {
        let mut counts = counts(&[("DE", "A", 1), ("unknown", "A", 0)]);
        counts[2].crossover_users = 3;
        let report = report(&counts, &rules(""));
        assert_eq!(report["countries"].as_array().unwrap().len(), 1);
        assert_eq!(report["crossover_users"], 3);
    }
}
