//! One visitor: comes, looks around, goes, comes back, and buys something in the end, or not.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fake::Fake;
use fake::faker::company::en::CatchPhrase;
use fake::faker::internet::en::{IPv4, UserAgent};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::dice::{mostly_short, one_of, weighted};
use crate::message::object;
use crate::shoppers::new_number;

pub(super) const SHOP: &str = "https://shop.example";
const ELSEWHERE: [&str; 6] = [
    "https://www.google.com/",
    "https://www.google.com/",
    "https://www.google.com/",
    "https://news.example.org/best-lamps",
    "https://blog.example.com/2026/gifts",
    "https://social.example.net/feed",
];
/// How far back the first visit of a visitor lies, at the most.
pub(super) const DAYS: i64 = 14;
/// Visits after the first, at the most.
const VISITS: u32 = 6;

/// What visitors do besides signing up and ordering.
const BROWSING: [(&str, u32); 7] = [
    ("page_view", 71),
    ("search", 15),
    ("add_product_to_cart", 5),
    ("remove_product_from_cart", 2),
    ("visit_personal_recommendation", 3),
    ("visit_related_product", 3),
    ("visit_recently_visited_product", 1),
];

/// What an event is, and its fields.
pub(super) type Click = (&'static str, Map<String, Value>);

/// Someone with a clock of their own, which runs until it meets the time of the day.
pub(super) struct Visitor {
    customer: Option<u64>,
    /// Who they become when they sign up.
    number: u64,
    signs_up: bool,
    orders: bool,
    user_agent: String,
    ip: String,
    clock: DateTime<Utc>,
    visits_left: u32,
    /// Events still to come in this visit.
    events_left: u32,
    /// Where this visit came from, until a page has said it.
    referrer: Option<&'static str>,
}

impl Visitor {
    /// Someone new at the door: a shopper, as long as there are some that have not been here yet, or
    /// another customer, or (mostly) nobody knows who.
    pub(super) fn arrive(shoppers: &mut VecDeque<u64>, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Visitor {
        let is_known = rng.random_bool(0.28);
        let number = if is_known { shoppers.pop_front() } else { None };
        let number = number.unwrap_or_else(|| new_number(rng));
        Visitor {
            customer: is_known.then_some(number),
            number,
            signs_up: !is_known && rng.random_bool(0.03),
            orders: rng.random_bool(if is_known { 0.4 } else { 0.05 }),
            user_agent: UserAgent().fake_with_rng(rng),
            ip: IPv4().fake_with_rng(rng),
            clock: now - TimeDelta::seconds(rng.random_range(0..DAYS * 86_400)),
            visits_left: weighted([(0, 30), (1, 25), (2, 20), (3, 12), (VISITS, 13)], rng),
            events_left: length_of_visit(rng),
            referrer: come_from(rng),
        }
    }

    /// The next thing they do; nothing when they are gone for good, or have come to the present.
    pub(super) fn act(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Option<Click> {
        if self.clock > now {
            return None;
        }
        let last_visit = self.visits_left == 0;
        let click = match self.events_left {
            0 => return None,
            1 if last_visit && self.orders => self.event("placed_order", []),
            2 if last_visit && self.orders => self.event("add_product_to_cart", [("product", product(rng).into())]),
            1 if self.signs_up => {
                let click = self.event("sign_up_success", []);
                (self.signs_up, self.customer) = (false, Some(self.number));
                click
            }
            _ => self.browse(rng),
        };
        self.go_on(rng);
        Some(click)
    }

    /// On to the next event, of this visit or of another.
    fn go_on(&mut self, rng: &mut ChaCha8Rng) {
        self.events_left -= 1;
        self.clock += if self.events_left > 0 {
            mostly_short(TimeDelta::seconds(1), TimeDelta::minutes(25), rng)
        } else if self.visits_left > 0 {
            (self.visits_left, self.events_left) = (self.visits_left - 1, length_of_visit(rng));
            self.referrer = come_from(rng);
            mostly_short(TimeDelta::minutes(31), TimeDelta::days(4), rng)
        } else {
            TimeDelta::zero()
        };
    }

    fn browse(&mut self, rng: &mut ChaCha8Rng) -> Click {
        match weighted(BROWSING, rng) {
            "page_view" => self.page_view(rng),
            "search" => {
                let query: String = CatchPhrase().fake_with_rng(rng);
                self.event("search", [("query", query.into())])
            }
            kind if kind.starts_with("visit_") => {
                let (product, position) = (product(rng), rng.random_range(0..10));
                self.event(kind, [("product", product.into()), ("position", position.into())])
            }
            kind => self.event(kind, [("product", product(rng).into())]),
        }
    }

    /// Says where they came from on the first page of a visit, and sometimes which page was the last.
    fn page_view(&mut self, rng: &mut ChaCha8Rng) -> Click {
        let page = page(rng);
        let came_from = self.referrer.take().map(str::to_owned);
        match came_from.or_else(|| rng.random_bool(0.2).then(|| self::page(rng))) {
            Some(referrer) => self.event("page_view", [("page", page.into()), ("referrer", referrer.into())]),
            None => self.event("page_view", [("page", page.into())]),
        }
    }

    fn event<const N: usize>(&self, kind: &'static str, fields: [(&str, Value); N]) -> Click {
        let mut event = object(fields);
        event.append(&mut object([
            ("user-agent", self.user_agent.as_str().into()),
            ("ip", self.ip.as_str().into()),
            ("customer-id", self.customer.into()),
            ("timestamp", timestamp(self.clock).into()),
        ]));
        (kind, event)
    }
}

/// Without a zone: it means UTC. A few clients write `Z`.
fn timestamp(at: DateTime<Utc>) -> String {
    match at.timestamp_subsec_micros() % 10 {
        0 => at.to_rfc3339_opts(SecondsFormat::Millis, true),
        _ => at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
    }
}

fn length_of_visit(rng: &mut ChaCha8Rng) -> u32 {
    weighted([(1, 15), (3, 25), (6, 30), (10, 20), (25, 10)], rng)
}

/// A third of all visits comes from elsewhere.
fn come_from(rng: &mut ChaCha8Rng) -> Option<&'static str> {
    rng.random_bool(0.33).then(|| one_of(ELSEWHERE, rng))
}

fn product(rng: &mut ChaCha8Rng) -> u32 {
    rng.random_range(1..2_500)
}

fn page(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..20) {
        0 => format!("{SHOP}/cart"),
        1 => format!("{SHOP}/"),
        2..=10 => format!("{SHOP}/category/{}", rng.random_range(1..26)),
        _ => format!("{SHOP}/products/{}", product(rng)),
    }
}
