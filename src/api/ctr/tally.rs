//! The views and purchases of one bucket.

use std::collections::BTreeMap;
use std::fmt;

/// How often a product was viewed and bought on a platform.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    views: u64,
    purchases: u64,
}

impl Counts {
    pub(super) const VIEW: Counts = Counts::views(1);
    pub(super) const PURCHASE: Counts = Counts { views: 0, purchases: 1 };

    pub(super) const fn views(views: u64) -> Counts {
        Counts { views, purchases: 0 }
    }
}

impl fmt::Display for Counts {
    /// Purchases divided by views with four decimals, half up, as JSON: never through a binary fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (views, purchases) = (u128::from(self.views), u128::from(self.purchases));
        match (2 * 10_000 * purchases + views).checked_div(2 * views) {
            Some(parts) => write!(f, "{}.{:04}", parts / 10_000, parts % 10_000),
            None => f.write_str("null"),
        }
    }
}

/// The products of a bucket, by platform.
#[derive(Debug, Default)]
pub(super) struct Tally {
    platforms: BTreeMap<Box<str>, BTreeMap<Box<str>, Counts>>,
    rows: usize,
}

impl Tally {
    /// Adds views or purchases.
    pub(super) fn add(&mut self, platform: &str, product: &str, counts: Counts) {
        let new = match self.platforms.get_mut(platform) {
            Some(products) => add(products, product, counts),
            None => add(self.platforms.entry(platform.into()).or_default(), product, counts),
        };
        self.rows += usize::from(new);
    }

    /// How many pairs of platform and product it has.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Platform, product and counts of each, sorted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, Counts)> {
        let products =
            self.platforms.iter().flat_map(|(platform, products)| products.iter().map(move |one| (platform, one)));
        products.map(|(platform, (product, counts))| (&**platform, &**product, *counts))
    }
}

/// Whether the product is new.
fn add(products: &mut BTreeMap<Box<str>, Counts>, product: &str, counts: Counts) -> bool {
    match products.get_mut(product) {
        Some(sum) => {
            sum.views += counts.views;
            sum.purchases += counts.purchases;
            false
        }
        None => products.insert(product.into(), counts).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_four_decimals_and_are_rounded_half_up() {
        for (purchases, views, expected) in [
            (3, 200, "0.0150"),
            (0, 7, "0.0000"),
            (7, 0, "null"),
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (1, 20_000, "0.0001"),
            (1, 20_001, "0.0000"),
            (3, 20_000, "0.0002"),
            (5, 2, "2.5000"),
            (u64::MAX, 1, "18446744073709551615.0000"),
        ] {
            assert_eq!(Counts { views, purchases }.to_string(), expected, "{purchases} / {views}");
        }
    }

    #[test]
    fn rows_are_counted_and_sorted_bytewise() {
        let mut tally = Tally::default();
        for (platform, product) in [("iOS", "b"), ("iOS", "ä"), ("iOS", "B"), ("Android", "z"), ("iOS", "b")] {
            tally.add(platform, product, Counts::VIEW);
        }
        tally.add("iOS", "b", Counts::PURCHASE);
        assert_eq!(tally.rows(), 4);
        let (once, twice) = (Counts::VIEW, Counts { views: 2, purchases: 1 });
        let expected = [("Android", "z", once), ("iOS", "B", once), ("iOS", "b", twice), ("iOS", "ä", once)];
        assert_eq!(tally.iter().collect::<Vec<_>>(), expected);
    }
}
