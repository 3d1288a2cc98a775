//! Messages of all kinds with what must become of each, drawn from the seed.

use std::sync::Arc;

use chrono::{TimeZone as _, Utc};
use purser_producer::{KINDS, Messages, Run, Shop};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::sent::{Expected, Sent, Way};

/// The workers take nothing larger.
pub const MAX_EVENT_BYTES: usize = 1 << 16;
/// The share of the shop's messages that are broken.
const INVALID: f64 = 0.15;
/// One message in so many comes in over HTTP.
const POSTED: u32 = 12;

/// Messages without end.
pub struct Supply {
    rng: StdRng,
    shop: Vec<(&'static purser_producer::Kind, Messages)>,
    /// A purchase that was sent and has nothing wrong.
    earlier: Option<Value>,
    articles: Vec<Uuid>,
    late: Vec<Late>,
}

/// What a purchase names that is not there yet.
#[derive(Debug, Clone, Copy)]
pub enum Late {
    User(Uuid),
    Article(Uuid),
}

impl Supply {
    pub fn new(shop: &Arc<Shop>, seed: u64) -> Supply {
        let starting_at = Some(Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap());
        let run = Run { seed, invalid_ratio: INVALID, starting_at };
        let articles = shop.articles().iter().map(|article| article.id).collect();
        let shop = KINDS.iter().map(|kind| (kind, kind.messages(shop, run))).collect();
        Supply { rng: StdRng::seed_from_u64(!seed), shop, earlier: None, articles, late: Vec::new() }
    }

    /// What is to be there from now on: named by what was sent, and not there so far.
    pub fn late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }

    /// So many purchases and what goes with them, and how each goes out.
    pub fn next(&mut self, purchases: usize) -> Vec<(Way, Sent)> {
        let mut all = Vec::new();
        for (kind, messages) in &mut self.shop {
            let count = kind.for_purchases(purchases as u64) as usize;
            for message in messages.take(count) {
                // Several outcomes of one request are not answered by its status.
                let posted = kind.name != "product_view" && self.rng.random_range(0..POSTED) == 0;
                let way = if posted { Way::Http } else { Way::PubSub };
                let names_nobody = message.fault.is_some_and(|fault| fault.starts_with("unknown_"));
                let mut sent = Sent::new(kind.name, message, way);
                if names_nobody && self.rng.random_bool(0.5) {
                    self.late.push(wait(&mut sent, &self.articles));
                }
                all.push((way, sent));
            }
        }
        let good = all.iter().find(|(_, sent)| sent.kind.name == "purchase" && is_row(sent));
        self.earlier = good.map(|(_, sent)| serde_json::from_slice(&sent.payload).unwrap()).or(self.earlier.take());
        all.extend(self.odd_ones().into_iter().map(|sent| (Way::PubSub, sent)));
        all
    }

    /// So many purchases for a file.
    pub fn file(&mut self, purchases: usize) -> Vec<Sent> {
        let messages = self.shop[0].1.by_ref().take(purchases);
        messages.map(|message| Sent::new("purchase", message, Way::File)).collect()
    }

    /// What the shop does not make.
    fn odd_ones(&mut self) -> Vec<Sent> {
        let mut odd = vec![self.noise(100, "decode"), self.noise(MAX_EVENT_BYTES + 1, "oversize")];
        if let Some(earlier) = self.earlier.clone() {
            let times = [("1999-12-31T23:59:59", false), ("2000-01-01T00:00:00", true), ("9999-01-01T00:00:00", false)];
            odd.extend(times.map(|(time, right)| self.purchase_at(&earlier, time, right)));
            odd.push(conflicting(earlier));
        }
        odd
    }

    /// Bytes that are no text, of any kind.
    fn noise(&mut self, bytes: usize, reason: &'static str) -> Sent {
        let mut payload = vec![0xff; bytes];
        self.rng.fill_bytes(&mut payload[1..]);
        Sent::hopeless(KINDS.choose(&mut self.rng).unwrap().name, payload, reason)
    }

    fn purchase_at(&mut self, earlier: &Value, time: &str, right: bool) -> Sent {
        let id = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid();
        let mut purchase = earlier.clone();
        (purchase["id_"], purchase["timestamp"]) = (json!(id), json!(time));
        let expected = match right {
            true => Expected::Row(id.to_string()),
            false => Expected::Letter { position: 0, reason: "shape" },
        };
        Sent { expected: vec![expected], ..Sent::hopeless("purchase", purchase.to_string().into(), "") }
    }
}

/// What a purchase lacks will be there, and then it is a row.
fn wait(sent: &mut Sent, articles: &[Uuid]) -> Late {
    let purchase: Value = serde_json::from_slice(&sent.payload).unwrap();
    let id = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
    sent.expected = vec![Expected::RowInTheEnd(id(&purchase["id_"]).to_string())];
    let lines = purchase["cart"].as_array().unwrap().iter().map(|line| id(&line["article_id"]));
    let mut unknown = lines.filter(|article| !articles.contains(article));
    unknown.next().map_or_else(|| Late::User(id(&purchase["user_id"])), Late::Article)
}

/// The id of a purchase that was sent, and another content.
fn conflicting(mut earlier: Value) -> Sent {
    earlier["cart"][0]["quantity"] = json!(99);
    let key = earlier["id_"].as_str().unwrap().to_owned();
    Sent { expected: vec![Expected::Row(key)], ..Sent::hopeless("purchase", earlier.to_string().into(), "") }
}

fn is_row(sent: &Sent) -> bool {
    matches!(sent.expected[..], [Expected::Row(_)])
}
