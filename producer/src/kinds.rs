//! The kinds of message that the shop sends: where each goes, how often, and what it is drawn by.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::ab_events::AbEvents;
use crate::clicks::Clicks;
use crate::dice::{Dice, Stream};
use crate::message::{Kitchen, Message, Recipe};
use crate::orders::Orders;
use crate::purchases::Purchases;
use crate::shop::Shop;
use crate::views::Views;

/// Messages of one kind, without end.
pub type Messages = Box<dyn Iterator<Item = Message> + Send>;

/// What a sequence of messages depends on, besides the shop.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The same gives the same sequence.
    pub seed: u64,
    /// The probability that a message is broken, 0 to 1.
    pub invalid_ratio: f64,
    /// Where a clock stands that moves on by a millisecond with every message, so that payloads are
    /// reproducible to the byte; otherwise they tell the time of the call.
    pub starting_at: Option<DateTime<Utc>>,
}

/// A kind of message.
pub struct Kind {
    /// The word for it.
    pub name: &'static str,
    /// The topic it goes to, without the project.
    pub topic: &'static str,
    /// How many of them there are for every ten purchases.
    pub per_ten_purchases: u32,
    draw: fn(&Arc<Shop>, Run) -> Messages,
}

/// Every kind of message.
pub static KINDS: [Kind; 5] = [
    Kind {
        name: "purchase",
        topic: "purchases",
        per_ten_purchases: 10,
        draw: |shop, run| {
            let purchases = Purchases::new(shop, run.seed, run.invalid_ratio);
            let purchases = match run.starting_at {
                Some(first) => purchases.starting_at(first),
                None => purchases,
            };
            Box::new(purchases.map(Message::from))
        },
    },
    Kind {
        name: "ab_event",
        topic: "ab-events",
        per_ten_purchases: 30,
        draw: |shop, run| cook(AbEvents::of(shop), run, Stream::AbEvents),
    },
    Kind {
        name: "order",
        topic: "orders",
        per_ten_purchases: 5,
        draw: |shop, run| cook(Orders::of(shop), run, Stream::Orders),
    },
    Kind {
        name: "click_event",
        topic: "click-events",
        per_ten_purchases: 60,
        draw: |shop, run| cook(Clicks::of(shop, run.seed), run, Stream::ClickEvents),
    },
    Kind {
        name: "product_view",
        topic: "product-views",
        per_ten_purchases: 10,
        draw: |shop, run| cook(Views::of(shop), run, Stream::ProductViews),
    },
];

fn cook<R: Recipe>(recipe: R, run: Run, stream: Stream) -> Messages {
    let dice = Dice::new(run.seed, stream, run.invalid_ratio);
    let dice = match run.starting_at {
        Some(first) => dice.starting_at(first),
        None => dice,
    };
    Box::new(Kitchen { recipe, dice })
}

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The messages of this kind that a run sends: the same for the same shop, seed and ratio, but for
    /// what is told from the time of the call.
    pub fn messages(&self, shop: &Arc<Shop>, run: Run) -> Messages {
        (self.draw)(shop, run)
    }

    /// How many of them there are for so many purchases: the last part of one counts as a whole.
    pub fn for_purchases(&self, purchases: u64) -> u64 {
        let tenths = u128::from(purchases) * u128::from(self.per_ten_purchases);
        u64::try_from(tenths.div_ceil(10)).unwrap_or(u64::MAX)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Some kinds of message, each once. Written with commas between.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinds(Vec<&'static Kind>);

impl Kinds {
    /// The kinds, in the order of [`KINDS`].
    pub fn iter(&self) -> impl Iterator<Item = &'static Kind> + '_ {
        self.0.iter().copied()
    }

    /// Whether the kind of this name is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|kind| kind.name == name)
    }
}

impl Default for Kinds {
    /// All of them.
    fn default() -> Kinds {
        Kinds(KINDS.iter().collect())
    }
}

impl FromStr for Kinds {
    type Err = String;

    /// Errs, with the names there are, on anything that is no kind, and on nothing at all.
    fn from_str(text: &str) -> Result<Kinds, String> {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        match names.iter().find(|name| Kind::named(name).is_none()) {
            Some(unknown) => Err(format!("`{unknown}` is none of {}", Kinds::default())),
            None => Ok(Kinds(KINDS.iter().filter(|kind| names.contains(&kind.name)).collect())),
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(|kind| kind.name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests;
