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
mod tests;
