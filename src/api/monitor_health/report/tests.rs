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
