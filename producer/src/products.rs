//! What is looked at: products in their colours, some of them far more often than others.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Which share of all views the best-viewed products have, of 4,051, as on a real day of a real shop.
const SKEW: [(usize, f64); 9] = [
    (0, 0.0),
    (1, 0.0043),
    (10, 0.0338),
    (41, 0.1020),
    (100, 0.1863),
    (405, 0.4409),
    (1_000, 0.6842),
    (2_000, 0.8661),
    (4_051, 1.0),
];

/// A product in one colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Eight digits of the product and three of the colour, such as `20008657_002`.
    pub code_color: String,
    /// In hundredths.
    pub price: u32,
}

/// All products, the most viewed first.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue(Vec<Product>);

impl Catalogue {
    /// Draws 4,051 products.
    pub(crate) fn print(rng: &mut ChaCha8Rng) -> Catalogue {
        let (count, _) = SKEW[SKEW.len() - 1];
        let mut codes = std::collections::HashSet::new();
        let mut products = Vec::with_capacity(count);
        while products.len() < count {
            let code_color = format!("{:08}_{:03}", rng.random_range(20_000_000..20_002_500), rng.random_range(1..600));
            let price = rng.random_range(10..200) * 100 + 90;
            if codes.insert(code_color.clone()) {
                products.push(Product { code_color, price });
            }
        }
        Catalogue(products)
    }

    /// Everything that is on offer, the most viewed first.
    pub fn products(&self) -> &[Product] {
        &self.0
    }

    /// The product of a view: the best hundred have a fifth of all views.
    pub(crate) fn viewed(&self, rng: &mut ChaCha8Rng) -> &Product {
        let share: f64 = rng.random();
        let next = SKEW.partition_point(|(_, until)| *until <= share).min(SKEW.len() - 1);
        let ((from, low), (to, high)) = (SKEW[next - 1], SKEW[next]);
        let rank = from as f64 + (share - low) / (high - low) * (to - from) as f64;
        &self.0[(rank as usize).min(self.0.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::dice::{Stream, draw};

    #[test]
    fn views_are_as_uneven_as_on_the_real_day() {
        let mut rng = draw(1, Stream::Products);
        let catalogue = Catalogue::print(&mut rng);
        assert_eq!(catalogue.products().len(), 4_051);
        let mut views: HashMap<&str, u32> = HashMap::new();
        for _ in 0..100_000 {
            *views.entry(&catalogue.viewed(&mut rng).code_color).or_default() += 1;
        }
        let of = |count| -> u32 {
            let best = catalogue.products()[..count].iter();
            best.map(|it| views.get(it.code_color.as_str()).copied().unwrap_or_default()).sum()
        };
        assert!((300..=560).contains(&of(1)), "{}", of(1));
        assert!((17_900..=19_400).contains(&of(100)), "{}", of(100));
        assert!((67_500..=69_300).contains(&of(1_000)), "{}", of(1_000));
        assert_eq!(of(4_051), 100_000);
    }
}
