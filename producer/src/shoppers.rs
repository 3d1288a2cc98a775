//! Who visits the shop: the same people in A/B tests, orders, clicks and product views.

use fake::Fake;
use fake::faker::address::en::StreetSuffix;
use fake::faker::name::en::{FirstName, LastName};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::address::city;
use crate::dice::{one_of, weighted};
use crate::markets::{MARKETS, Market};
use crate::message::object;

/// The numbers of those who are known from the start.
const REGULARS: std::ops::Range<u64> = 100_000..1_000_000;
/// The numbers of those who come while the shop runs.
const NEWCOMERS: std::ops::Range<u64> = 1_000_000..1_000_000_000;
/// One in so many is shown both versions.
const CROSSOVERS: u32 = 200;

/// Which versions of the shop a shopper is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The old one, always.
    A,
    /// The new one, always.
    B,
    /// Now this, now that: something is wrong with their cookies.
    Both,
}

/// A person who visits the shop.
#[derive(Clone, Debug, PartialEq)]
pub struct Shopper {
    /// The customer's number; as text, the id of the user.
    pub number: u64,
    /// Where they live.
    pub market: &'static Market,
    /// `female`, `male` or `other`.
    pub gender: &'static str,
    /// `free`, `plus` or `business`.
    pub account_type: &'static str,
    /// What the A/B test shows them.
    pub version: Version,
    /// First and last name.
    pub name: (String, String),
    /// One to three, all theirs.
    pub emails: Vec<String>,
    /// Where their orders go.
    pub home: Home,
    /// Whether they want advertisements.
    pub accepts_marketing: bool,
}

/// A postal address.
#[derive(Clone, Debug, PartialEq)]
pub struct Home {
    /// Number and street.
    pub street: String,
    /// The town.
    pub city: String,
    /// One of the market's.
    pub province: &'static str,
    /// Postal code.
    pub zip: String,
    /// Telephone number.
    pub phone: String,
}

impl Shopper {
    /// What everything calls them.
    pub fn user_id(&self) -> String {
        self.number.to_string()
    }

    /// As it stands in `user_info.json`.
    pub(crate) fn record(&self) -> Map<String, Value> {
        object([
            ("user_id", self.user_id().into()),
            ("country", self.market.code.into()),
            ("gender", self.gender.into()),
        ])
    }
}

/// `count` shoppers who are known from the start, each under a number of their own. The first hundred
/// of a thousand are those of a hundred.
pub(crate) fn regulars(count: usize, rng: &mut ChaCha8Rng) -> Vec<Shopper> {
    let mut taken = std::collections::HashSet::new();
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let shopper = shopper(REGULARS, rng);
        if taken.insert(shopper.number) {
            all.push(shopper);
        }
    }
    all
}

/// Someone whom no table knows yet.
pub(crate) fn newcomer(rng: &mut ChaCha8Rng) -> Shopper {
    shopper(NEWCOMERS, rng)
}

/// The number of a customer who is no shopper of ours otherwise.
pub(crate) fn new_number(rng: &mut ChaCha8Rng) -> u64 {
    rng.random_range(NEWCOMERS)
}

fn shopper(numbers: std::ops::Range<u64>, rng: &mut ChaCha8Rng) -> Shopper {
    let number = rng.random_range(numbers);
    let market = market(rng);
    let name: (String, String) = (FirstName().fake_with_rng(rng), LastName().fake_with_rng(rng));
    Shopper {
        number,
        market,
        gender: weighted([("female", 50), ("male", 47), ("other", 3)], rng),
        account_type: weighted([("free", 70), ("plus", 20), ("business", 10)], rng),
        version: version(market, rng),
        emails: emails(&name, number, rng),
        name,
        home: home(market, rng),
        accepts_marketing: rng.random_bool(0.6),
    }
}

fn market(rng: &mut ChaCha8Rng) -> &'static Market {
    let by_weight = MARKETS.each_ref().map(|market| (market, market.weight));
    weighted(by_weight, rng)
}

fn version(market: &Market, rng: &mut ChaCha8Rng) -> Version {
    let b = rng.random_bool(market.share_of_b);
    match rng.random_range(0..CROSSOVERS) {
        0 => Version::Both,
        _ if b => Version::B,
        _ => Version::A,
    }
}

fn emails((first, last): &(String, String), number: u64, rng: &mut ChaCha8Rng) -> Vec<String> {
    let plain = |text: &str| text.replace(|it: char| !it.is_ascii_alphanumeric(), "").to_lowercase();
    let (first, last) = (plain(first), plain(last));
    let all = [
        format!("{first}.{last}{number}@example.com"),
        format!("{first}{number}@example.net"),
        format!("{last}.{number}@example.org"),
    ];
    let count = weighted([(1, 70), (2, 20), (3, 10)], rng);
    all.into_iter().take(count).collect()
}

fn home(market: &Market, rng: &mut ChaCha8Rng) -> Home {
    let (name, suffix): (String, String) = (LastName().fake_with_rng(rng), StreetSuffix().fake_with_rng(rng));
    Home {
        street: format!("{} {name} {suffix}", rng.random_range(1..2_000)),
        city: city(rng),
        province: market.provinces[rng.random_range(0..market.provinces.len())],
        zip: format!("{:05}", rng.random_range(501..99_951)),
        phone: format!(
            "{}-{}-{:04}",
            one_of([203, 208, 303, 415], rng),
            rng.random_range(200..1000),
            rng.random_range(0..10_000)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::dice::{Stream, draw};

    fn people() -> Vec<Shopper> {
        regulars(2_000, &mut draw(1, Stream::Shoppers))
    }

    #[test]
    fn everyone_has_a_number_of_their_own_and_newcomers_are_none_of_them() {
        let numbers: BTreeSet<u64> = people().iter().map(|it| it.number).collect();
        assert_eq!(numbers.len(), 2_000);
        let mut rng = draw(1, Stream::AbEvents);
        assert!((0..500).all(|_| !numbers.contains(&newcomer(&mut rng).number)));
    }

    #[test]
    fn a_larger_crowd_begins_with_the_smaller_one() {
        assert_eq!(regulars(50, &mut draw(1, Stream::Shoppers)), people()[..50]);
    }

    /// Chi-square of an even split, over those who see one version only.
    fn chi_square(people: &[&Shopper]) -> f64 {
        let count = |version| people.iter().filter(|it| it.version == version).count() as f64;
        let (a, b) = (count(Version::A), count(Version::B));
        (a - b).powi(2) / (a + b)
    }

    /// 10.83 is where a chi-square of one degree of freedom has a p-value of 0.001.
    #[test]
    fn one_country_alone_has_a_split_that_cannot_be_chance() {
        let people = people();
        let mut by_country: BTreeMap<&str, Vec<&Shopper>> = BTreeMap::new();
        for shopper in &people {
            by_country.entry(shopper.market.code).or_default().push(shopper);
        }
        assert_eq!(by_country.len(), MARKETS.len());
        let uneven = by_country.iter().filter(|(_, people)| chi_square(people) > 10.83);
        assert_eq!(uneven.map(|(country, _)| *country).collect::<Vec<_>>(), ["DE"]);
        assert!(chi_square(&people.iter().collect::<Vec<_>>()) < 10.83, "and the shop as a whole does not show it");
    }

    #[test]
    fn a_few_see_both_versions() {
        let both = people().iter().filter(|it| it.version == Version::Both).count();
        assert!((3..=25).contains(&both), "{both}");
    }

    #[test]
    fn markets_add_up_and_have_provinces() {
        assert_eq!(MARKETS.iter().map(|it| it.weight).sum::<u32>(), 1_000);
        for shopper in people() {
            assert!(shopper.market.provinces.contains(&shopper.home.province));
            assert!((1..=3).contains(&shopper.emails.len()));
        }
    }
}
