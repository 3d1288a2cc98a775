//! A/B test events: who was shown which version, and what they did then.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

use crate::books::Entry;
use crate::dice::{mostly_short, one_of, weighted};
use crate::message::{Draft, Fault, Recipe, cut_off, idempotency_key, leave_out, money, object, set};
use crate::shop::Shop;
use crate::shoppers::{Shopper, Version, newcomer};

/// One event in so many is the first of someone new.
const NEWCOMER: u32 = 40;
/// No run has more of them.
const NEWCOMERS: usize = 200;

const FAULTS: &[Fault<AbEvents>] = &[
    ("no_user_id", |_, draft, _| leave_out(draft, "user_id")),
    ("no_version", |_, draft, _| leave_out(draft, "version")),
    ("date_in_words", |_, draft, _| set(draft, "date", "the other day")),
    ("order_value_in_words", |_, draft, _| set(draft, "order_value", "a lot")),
    ("cut_off", cut_off),
];

/// How A/B test events are drawn.
pub(crate) struct AbEvents {
    shop: Arc<Shop>,
    newcomers: Vec<Shopper>,
}

impl AbEvents {
    pub(crate) fn of(shop: &Arc<Shop>) -> AbEvents {
        AbEvents { shop: Arc::clone(shop), newcomers: Vec::new() }
    }

    /// Someone who does something, and whether it is the first that is heard of them.
    fn who(&mut self, rng: &mut ChaCha8Rng) -> (&Shopper, bool) {
        if self.newcomers.len() < NEWCOMERS && rng.random_range(0..NEWCOMER) == 0 {
            self.newcomers.push(newcomer(rng));
            return (&self.newcomers[self.newcomers.len() - 1], true);
        }
        let index = rng.random_range(0..self.shop.shoppers().len() + self.newcomers.len());
        let regular = self.shop.shoppers().get(index);
        (regular.unwrap_or_else(|| &self.newcomers[index - self.shop.shoppers().len()]), false)
    }
}

impl Recipe for AbEvents {
    fn faults(&self) -> &'static [Fault<AbEvents>] {
        FAULTS
    }

    fn draft(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Draft {
        let (shopper, is_new) = self.who(rng);
        let version = match shopper.version {
            Version::A => "A",
            Version::B => "B",
            Version::Both => one_of(["A", "B"], rng),
        };
        let event_type = event_type(version, rng);
        let mut body = object([
            ("user_id", shopper.user_id().into()),
            ("account_type", shopper.account_type.into()),
            ("date", date(shopper, now, rng).into()),
            ("event_type", event_type.into()),
            ("version", version.into()),
        ]);
        if event_type == Some("order") {
            body.insert("order_value".to_owned(), money(5, 250, rng).into());
        } else if rng.random_bool(0.5) {
            body.insert("order_value".to_owned(), Value::Null);
        }
        let entries = if is_new { vec![Entry::Shopper(shopper.clone())] } else { Vec::new() };
        Draft { body, attributes: vec![idempotency_key(rng)], entries, ..Draft::default() }
    }
}

/// Version `B` sells a little better. Some clients forget to say what happened.
fn event_type(version: &str, rng: &mut ChaCha8Rng) -> Option<&'static str> {
    let orders = if version == "B" { 10 } else { 8 };
    weighted([(Some("visit"), 70), (Some("add_to_cart"), 18), (Some("order"), orders), (None, 3)], rng)
}

/// A date or a time, in one of the notations that clients use; without a zone it means UTC.
fn date(shopper: &Shopper, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> String {
    let ago = match rng.random_range(0..10) {
        _ if shopper.market.closed => TimeDelta::days(8) + mostly_short(TimeDelta::hours(1), TimeDelta::days(12), rng),
        0 => mostly_short(TimeDelta::minutes(1), TimeDelta::days(3), rng),
        _ => TimeDelta::zero(),
    };
    let at = now - ago;
    match rng.random_range(0..10) {
        0..=2 => at.format("%Y-%m-%d").to_string(),
        3..=4 => at.to_rfc3339_opts(SecondsFormat::Millis, true),
        _ => at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
    }
}

#[cfg(test)]
mod tests;
