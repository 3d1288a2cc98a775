//! How the users of an A/B test should be shared out among its versions.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// The weight of each version; without any, every version that is seen weighs the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split(BTreeMap<String, f64>);

/// The text is no split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected version=weight,version=weight,… with each version once and every weight above 0, up to 1e100, found {0:?}"
)]
pub struct NotASplit(String);

impl FromStr for Split {
    type Err = NotASplit;

    /// Reads `A=0.5,B=0.5`. Weights are divided by their sum, so that `A=1,B=1,C=1` is three exact thirds;
    /// an empty text is a split without weights.
    fn from_str(text: &str) -> Result<Self, NotASplit> {
        let mut weights = BTreeMap::new();
        for part in text.split(',').filter(|_| !text.trim().is_empty()) {
            let (version, weight) = weight(part).ok_or_else(|| NotASplit(part.to_owned()))?;
            if weights.insert(version.to_owned(), weight).is_some() {
                return Err(NotASplit(part.to_owned()));
            }
        }
        Ok(Split(weights))
    }
}

/// The largest weight: however many there are, their sum is a number.
const LARGEST: f64 = 1e100;

fn weight(part: &str) -> Option<(&str, f64)> {
    let (version, weight) = part.rsplit_once('=')?;
    let weight: f64 = weight.trim().parse().ok()?;
    let version = version.trim();
    (!version.is_empty() && weight > 0.0 && weight <= LARGEST).then_some((version, weight))
}

impl Split {
    /// The share that each version should get; together they are 1.
    #[must_use]
    pub fn shares(&self, seen: &BTreeSet<&str>) -> BTreeMap<String, f64> {
        let equal = || seen.iter().map(|version| ((*version).to_owned(), 1.0)).collect();
        let weights = if self.0.is_empty() { equal() } else { self.0.clone() };
        let sum: f64 = weights.values().sum();
        weights.into_iter().map(|(version, weight)| (version, weight / sum)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(split: &str, seen: &[&str]) -> Option<Vec<(String, f64)>> {
        let split: Split = split.parse().ok()?;
        Some(split.shares(&seen.iter().copied().collect()).into_iter().collect())
    }

    fn named<const N: usize>(shares: [(&str, f64); N]) -> Option<Vec<(String, f64)>> {
        Some(shares.map(|(version, share)| (version.to_owned(), share)).into())
    }

    #[test]
    fn shares_are_weights_over_their_sum() {
        assert_eq!(shares("A=0.5,B=0.5", &["C"]), named([("A", 0.5), ("B", 0.5)]));
        assert_eq!(shares(" B = 1 , A = 3", &[]), named([("A", 0.75), ("B", 0.25)]));
        assert_eq!(shares("key=a=1,key=b=1", &[]), named([("key=a", 0.5), ("key=b", 0.5)]));
    }

    #[test]
    fn without_weights_every_version_seen_has_the_same_share() {
        assert_eq!(shares("", &["B", "A"]), named([("A", 0.5), ("B", 0.5)]));
        assert_eq!(shares(" ", &[]), named([]));
    }

    #[test]
    fn what_is_no_split() {
        for text in
            ["A", "A=", "A=0", "A=-1,B=2", "A=NaN", "A=inf", "A=1e308,B=1e308", "=1", "A=1,A=1", "A=1,", ",", "A=half"]
        {
            assert_eq!(shares(text, &[]), None, "{text}");
        }
    }
}
