//! Purchases, most of them valid: drawn from the seed, knowing nothing of where they go.

use bytes::Bytes;
use chrono::{DateTime, FixedOffset, Offset, SecondsFormat, Utc};
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde::Serialize;
use uuid::Uuid;

use crate::dice::{Dice, Stream};
use crate::message::Message;
use crate::shop::{Shop, uuid4};

/// What a cart of plain words is filled with.
const WORDS: [&str; 20] = [
    "color",
    "common",
    "evening",
    "information",
    "leave",
    "listen",
    "member",
    "need",
    "play",
    "region",
    "season",
    "soldier",
    "stage",
    "stop",
    "suffer",
    "support",
    "themselves",
    "tonight",
    "voice",
    "whole",
];

/// The one thing that is wrong with a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `user_id` is a uuid that no user of the shop has.
    UnknownUser,
    /// `cart` is a list of one to six words instead of objects.
    CartOfWords,
    /// `cart` is `[]`.
    EmptyCart,
    /// The `article_id` of exactly one line is a uuid that no article of the shop has.
    UnknownArticle,
    /// The `quantity` of exactly one line is negative, −50 to −1.
    NegativeQuantity,
}

impl Fault {
    /// Every fault there is, each as likely as the other.
    pub const ALL: [Fault; 5] =
        [Fault::UnknownUser, Fault::CartOfWords, Fault::EmptyCart, Fault::UnknownArticle, Fault::NegativeQuantity];

    /// The word for it in logs.
    pub fn name(self) -> &'static str {
        match self {
            Fault::UnknownUser => "unknown_user",
            Fault::CartOfWords => "cart_of_words",
            Fault::EmptyCart => "empty_cart",
            Fault::UnknownArticle => "unknown_article",
            Fault::NegativeQuantity => "negative_quantity",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The purchase's own id, a version 4 uuid; `id_` in the payload.
    pub id: Uuid,
    /// The bytes that are published and stored as a file: one JSON object.
    pub payload: Bytes,
    /// What is wrong with it, or nothing.
    pub fault: Option<Fault>,
}

#[derive(Serialize)]
struct Wire {
    id_: Uuid,
    timestamp: String,
    user_id: Uuid,
    cart: Cart,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Cart {
    Lines(Vec<Line>),
    Words(Vec<&'static str>),
}

#[derive(Serialize)]
struct Line {
    article_id: Uuid,
    quantity: i32,
}

/// Purchases without end: the same sequence for the same shop, seed and ratio, but for the
/// timestamps, which are the time of the call unless [`starting_at`](Purchases::starting_at) is used.
#[derive(Debug)]
pub struct Purchases {
    users: Vec<Uuid>,
    articles: Vec<Uuid>,
    dice: Dice,
}

impl Purchases {
    /// Begins the sequence of `seed`. Each purchase is broken with the probability `invalid_ratio`,
    /// which is brought into 0 to 1 (not a number: 0).
    pub fn new(shop: &Shop, seed: u64, invalid_ratio: f64) -> Purchases {
        Purchases {
            users: shop.users().iter().map(|it| it.id).collect(),
            articles: shop.articles().iter().map(|it| it.id).collect(),
            dice: Dice::new(seed, Stream::Purchases, invalid_ratio),
        }
    }

    /// Takes time from a clock of its own, which stands at `first` and moves on by a millisecond
    /// with every purchase. Payloads are then reproducible to the byte.
    #[must_use]
    pub fn starting_at(self, first: DateTime<Utc>) -> Purchases {
        Purchases { dice: self.dice.starting_at(first), ..self }
    }

    fn purchase(&mut self) -> Wire {
        let id_ = uuid4(&mut self.dice.rng);
        let user_id = self.users[self.dice.rng.random_range(0..self.users.len())];
        let lines = (0..self.dice.rng.random_range(1..=4)).map(|_| self.line()).collect();
        Wire { id_, timestamp: self.timestamp(), user_id, cart: Cart::Lines(lines) }
    }

    fn line(&mut self) -> Line {
        let article_id = self.articles[self.dice.rng.random_range(0..self.articles.len())];
        Line { article_id, quantity: self.dice.rng.random_range(1..=5) }
    }

    /// ISO 8601 in one of the notations that producers use; without a zone it means UTC.
    fn timestamp(&mut self) -> String {
        let now = self.dice.now();
        let hours = self.dice.rng.random_range(-8..=2);
        match self.dice.rng.random_range(0..4) {
            0 => now.to_rfc3339_opts(SecondsFormat::Millis, true),
            1 => {
                let zone = FixedOffset::east_opt(hours * 3600).unwrap_or_else(|| Utc.fix());
                now.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Micros, false)
            }
            _ => now.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        }
    }

    fn spoil(&mut self, fault: Fault, purchase: &mut Wire) {
        match fault {
            Fault::UnknownUser => purchase.user_id = uuid4(&mut self.dice.rng),
            Fault::CartOfWords => purchase.cart = Cart::Words(self.words()),
            Fault::EmptyCart => purchase.cart = Cart::Lines(Vec::new()),
            Fault::UnknownArticle => {
                let unknown = uuid4(&mut self.dice.rng);
                self.spoil_line(&mut purchase.cart, |line| line.article_id = unknown);
            }
            Fault::NegativeQuantity => {
                let negative = self.dice.rng.random_range(-50..=-1);
                self.spoil_line(&mut purchase.cart, |line| line.quantity = negative);
            }
        }
    }

    fn words(&mut self) -> Vec<&'static str> {
        let count = self.dice.rng.random_range(1..=6);
        WORDS.sample(&mut self.dice.rng, count).copied().collect()
    }

    fn spoil_line(&mut self, cart: &mut Cart, spoil: impl FnOnce(&mut Line)) {
        if let Cart::Lines(lines) = cart {
            let index = self.dice.rng.random_range(0..lines.len());
            spoil(&mut lines[index]);
        }
    }
}

impl Iterator for Purchases {
    type Item = Purchase;

    /// Never `None`: a shape of strings and whole numbers always serialises.
    fn next(&mut self) -> Option<Purchase> {
        let mut wire = self.purchase();
        let fault = self.dice.fault(&Fault::ALL).copied();
        if let Some(fault) = fault {
            self.spoil(fault, &mut wire);
        }
        let payload = Bytes::from(serde_json::to_vec(&wire).ok()?);
        Some(Purchase { id: wire.id_, payload, fault })
    }
}

impl From<Purchase> for Message {
    fn from(Purchase { id, payload, fault }: Purchase) -> Message {
        let fault = fault.map(Fault::name);
        Message { payload, attributes: Vec::new(), fault, file: Some(id), entries: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
