//! The state of the shop: who buys, and what there is to buy.

use std::sync::OnceLock;

use fake::Fake;
use fake::faker::name::en::{FirstName, LastName};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::address::address;
use crate::dice::{Stream, draw};
use crate::products::Catalogue;
use crate::shoppers::{Shopper, regulars};

const ADJECTIVES: [&str; 16] = [
    "Beautiful",
    "Bright",
    "Compact",
    "Current",
    "Everyday",
    "Folding",
    "Gentle",
    "Handmade",
    "Heavy",
    "Light",
    "Modern",
    "Plain",
    "Quiet",
    "Small",
    "Striped",
    "Sturdy",
];
const MATERIALS: [&str; 12] =
    ["Bamboo", "Brass", "Canvas", "Ceramic", "Cotton", "Glass", "Leather", "Linen", "Oak", "Steel", "Stone", "Wool"];
const THINGS: [&str; 20] = [
    "Basket", "Blanket", "Bottle", "Bowl", "Chair", "Clock", "Cup", "Desk", "Frame", "Hat", "Jar", "Kettle", "Lamp",
    "Mirror", "Pillow", "Plate", "Scarf", "Shelf", "Stool", "Vase",
];

/// An id of the shape of a version 4 uuid, drawn from `rng`.
pub(crate) fn uuid4(rng: &mut impl RngExt) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

/// Someone who buys. Serialises to the object of `users/<id>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Version 4 uuid; `id_` in the file, `id` in the table.
    #[serde(rename = "id_")]
    pub id: Uuid,
    /// First and last name.
    pub name: String,
    /// Two lines, see [`address`].
    pub address: String,
    /// Telephone number, in one of several notations.
    pub number: String,
    /// An address of a domain reserved for examples.
    pub email: String,
}

/// What an article's price is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollar.
    Usd,
    /// Swedish krona.
    Sek,
    /// Euro.
    Eur,
}

impl Currency {
    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Currency::Usd => "USD",
            Currency::Sek => "SEK",
            Currency::Eur => "EUR",
        }
    }
}

/// Something to buy. Serialises to the object of `articles/<id>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Article {
    /// Version 4 uuid; `id_` in the file, `id` in the table.
    #[serde(rename = "id_")]
    pub id: Uuid,
    /// Three words.
    pub name: String,
    /// 1.00 to 100.00 in units of `currency`, two decimals; a JSON number in the file.
    #[serde(serialize_with = "as_number")]
    pub price: Decimal,
    /// What the price is in.
    pub currency: Currency,
}

/// The shortest decimal of the nearest double, as any foreign producer writes a price.
fn as_number<S: Serializer>(price: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(price.to_f64().unwrap_or_default())
}

/// Shoppers that are known from the start.
const SHOPPERS: usize = 2_000;

/// Everyone who buys and everything that is sold: the same for the same seed, on any machine, at any time.
#[derive(Clone, Debug)]
pub struct Shop {
    users: Vec<User>,
    articles: Vec<Article>,
    seed: u64,
    /// Drawn when somebody asks for them, as the catalogue is: purchases need neither.
    shoppers: OnceLock<Vec<Shopper>>,
    catalogue: OnceLock<Catalogue>,
}

impl Shop {
    /// Draws `users` users and `articles` articles (at least one of each: a purchase needs both), and
    /// shoppers and products, of which there are always as many.
    ///
    /// The first hundred users of a shop of a thousand are those of a shop of a hundred.
    pub fn open(seed: u64, users: usize, articles: usize) -> Shop {
        let (mut people, mut things) = (draw(seed, Stream::Users), draw(seed, Stream::Articles));
        Shop {
            users: (0..users.max(1)).map(|_| user(&mut people)).collect(),
            articles: (0..articles.max(1)).map(|_| article(&mut things)).collect(),
            seed,
            shoppers: OnceLock::new(),
            catalogue: OnceLock::new(),
        }
    }

    /// Everyone a valid purchase may name.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Everything a valid purchase may hold.
    pub fn articles(&self) -> &[Article] {
        &self.articles
    }

    /// Everyone who is known from the start to take part in A/B tests, order, click and look.
    pub fn shoppers(&self) -> &[Shopper] {
        self.shoppers.get_or_init(|| regulars(SHOPPERS, &mut draw(self.seed, Stream::Shoppers)))
    }

    /// Everything that may be looked at.
    pub fn catalogue(&self) -> &Catalogue {
        self.catalogue.get_or_init(|| Catalogue::print(&mut draw(self.seed, Stream::Products)))
    }
}

fn user(rng: &mut ChaCha8Rng) -> User {
    let id = uuid4(rng);
    let first: String = FirstName().fake_with_rng(rng);
    let last: String = LastName().fake_with_rng(rng);
    let number = telephone(rng);
    let email = email(&first, &last, rng);
    let address = address(rng);
    User { id, name: format!("{first} {last}"), address, number, email }
}

fn telephone(rng: &mut ChaCha8Rng) -> String {
    let area = rng.random_range(200..1000);
    let (exchange, line) = (rng.random_range(200..1000), rng.random_range(0..10_000));
    match rng.random_range(0..5) {
        0 => format!("{area}-{exchange}-{line:04}"),
        1 => format!("({area}){exchange}-{line:04}"),
        2 => format!("+1-{area}-{exchange}-{line:04}x{}", rng.random_range(10..100_000)),
        3 => format!("{area}.{exchange}.{line:04}"),
        _ => format!("{area}{exchange}{line:04}"),
    }
}

fn email(first: &str, last: &str, rng: &mut ChaCha8Rng) -> String {
    let local: String = first.chars().take(1).chain(last.chars()).collect();
    let local = local.replace(|it: char| !it.is_ascii_alphanumeric(), "").to_lowercase();
    let domain = ["com", "net", "org"].choose(rng).copied().unwrap_or("com");
    format!("{local}{}@example.{domain}", rng.random_range(1..100))
}

fn article(rng: &mut ChaCha8Rng) -> Article {
    let id = uuid4(rng);
    let mut word = |words: &[&'static str]| words.choose(rng).copied().unwrap_or_default();
    let name = format!("{} {} {}", word(&ADJECTIVES), word(&MATERIALS), word(&THINGS));
    let currency = match rng.random_range(0..3) {
        0 => Currency::Usd,
        1 => Currency::Sek,
        _ => Currency::Eur,
    };
    let price = Decimal::new(rng.random_range(100..=10_000), 2);
    Article { id, name, price, currency }
}

#[cfg(test)]
mod tests;
