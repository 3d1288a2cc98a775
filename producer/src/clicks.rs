//! Clicks: what visitors do, one after the other, and in no particular order when it arrives.

mod visitor;

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value};

use crate::dice::Stream;
use crate::message::{Draft, Fault, Recipe, cut_off, leave_out, object, set};
use crate::shop::Shop;
use visitor::Visitor;

/// So many visitors are on their way at once.
const VISITORS: usize = 300;
/// One event in so many comes late, behind up to [`HELD`] others.
const LATE: u32 = 10;
const HELD: usize = 200;

const FAULTS: &[Fault<Clicks>] = &[
    ("no_id", |_, draft, _| leave_out(draft, "id")),
    ("no_type", |_, draft, _| leave_out(draft, "type")),
    ("no_event", |_, draft, _| set(draft, "event", Value::Null)),
    ("time_in_words", |_, draft, _| spoil(draft, "timestamp", "just now".into())),
    ("listed_customer", |_, draft, _| spoil(draft, "customer-id", vec![17, 4].into())),
    ("cut_off", cut_off),
    // The last, since the first click of a run has no other to take it from.
    ("id_of_another", id_of_another),
];

/// How clicks are drawn.
pub(crate) struct Clicks {
    /// Each is a customer once, in this order; after them come customers that are no shoppers.
    shoppers: VecDeque<u64>,
    visitors: Vec<Visitor>,
    late: Vec<Map<String, Value>>,
    next_id: u64,
    earlier: Option<Value>,
}

impl Clicks {
    /// Ids count on from a number that belongs to the run.
    pub(crate) fn of(shop: &Arc<Shop>, seed: u64) -> Clicks {
        let mut rng = crate::dice::draw(seed, Stream::ClickIds);
        let mut shoppers: Vec<u64> = shop.shoppers().iter().map(|it| it.number).collect();
        shoppers.shuffle(&mut rng);
        Clicks {
            shoppers: shoppers.into(),
            visitors: Vec::new(),
            late: Vec::new(),
            // Exact also where a number is a double: below 2^53.
            next_id: rng.random_range(0..1 << 21) << 32,
            earlier: None,
        }
    }

    fn click(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Map<String, Value> {
        while self.visitors.len() < VISITORS {
            self.visitors.push(Visitor::arrive(&mut self.shoppers, now, rng));
        }
        let visitor = rng.random_range(0..VISITORS);
        let Some((kind, event)) = self.visitors[visitor].act(now, rng) else {
            self.visitors.swap_remove(visitor);
            return self.click(now, rng);
        };
        self.next_id += rng.random_range(1..20);
        object([("id", self.next_id.into()), ("type", kind.into()), ("event", event.into())])
    }
}

impl Recipe for Clicks {
    fn faults(&self) -> &'static [Fault<Clicks>] {
        if self.earlier.is_some() { FAULTS } else { &FAULTS[..FAULTS.len() - 1] }
    }

    fn draft(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Draft {
        let mut body = self.click(now, rng);
        if rng.random_range(0..LATE) == 0 {
            if self.late.len() < HELD {
                self.late.push(std::mem::take(&mut body));
                body = self.click(now, rng);
            } else {
                let held = rng.random_range(0..HELD);
                std::mem::swap(&mut self.late[held], &mut body);
            }
        }
        Draft { body, ..Draft::default() }
    }

    fn good(&mut self, draft: &Draft) {
        self.earlier = draft.body.get("id").cloned();
    }
}

/// Gives a field inside `event` another value.
fn spoil(draft: &mut Draft, field: &str, value: Value) {
    if let Some(Value::Object(event)) = draft.body.get_mut("event") {
        event.insert(field.to_owned(), value);
    }
}

fn id_of_another(clicks: &mut Clicks, draft: &mut Draft, _: &mut ChaCha8Rng) {
    if let Some(earlier) = &clicks.earlier {
        set(draft, "id", earlier.clone());
    }
}

#[cfg(test)]
mod tests;
