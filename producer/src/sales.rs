//! Orders as the shop keeps them itself, in tables: what the views of products led to.

use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rust_decimal::Decimal;

use crate::dice::weighted;
use crate::products::Product;
use crate::shop::uuid4;

/// A row of `orders`, with its rows of `order_items`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sale {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) order_date: DateTime<Utc>,
    pub(crate) order_status: &'static str,
    pub(crate) device_type: String,
    pub(crate) order_total: Decimal,
    pub(crate) items: Vec<SaleItem>,
}

/// A row of `order_items`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SaleItem {
    pub(crate) id: String,
    pub(crate) code_color: String,
    pub(crate) quantity: u32,
}

impl Sale {
    /// The order in which `user_id` bought `products` on `platform`; one in twenty is canceled.
    pub(crate) fn of(
        user_id: String,
        platform: &str,
        products: &[&Product],
        order_date: DateTime<Utc>,
        rng: &mut ChaCha8Rng,
    ) -> Sale {
        let mut order_total = Decimal::ZERO;
        let items = products.iter().map(|product| {
            let quantity = weighted([(1, 80), (2, 15), (3, 5)], rng);
            order_total += Decimal::new(product.price.into(), 2) * Decimal::from(quantity);
            SaleItem { id: uuid4(rng).to_string(), code_color: product.code_color.clone(), quantity }
        });
        let items = items.collect();
        Sale {
            id: uuid4(rng).to_string(),
            user_id,
            order_date,
            order_status: weighted([("delivered", 60), ("shipped", 25), ("processing", 10), ("canceled", 5)], rng),
            device_type: if rng.random_bool(0.8) { platform.to_owned() } else { platform.to_lowercase() },
            order_total,
            items,
        }
    }
}
