//! A day of product views on one platform.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;

use bytes::Bytes;
use purser::intake::files::decompressed;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

pub struct Day {
    /// The batches, one view each, as they stand in a file.
    pub records: Vec<Bytes>,
    /// The product and the second of the day of each.
    pub views: Vec<(String, f64)>,
}

const VIEWS: usize = 47_633;
const PRODUCTS: f64 = 4051.0;
/// Such that the most viewed product has one view in 230, as in a real shop.
const SKEW: f64 = 1.525;
const MIDNIGHT: f64 = 1_454_284_800_000.0;

impl Day {
    /// The one in `VIEWS_FILE`, or one that is made up in its likeness.
    pub fn open() -> Day {
        let batches = std::env::var_os("VIEWS_FILE").map_or_else(made_up, |path| {
            let mut text = String::new();
            decompressed(File::open(path).unwrap()).unwrap().read_to_string(&mut text).unwrap();
            serde_json::from_str(&text).unwrap()
        });
        let record = |batch: &Value| Bytes::from(serde_json::to_string_pretty(batch).unwrap().replace('\n', "\n  "));
        Day { records: batches.iter().map(record).collect(), views: batches.iter().map(view).collect() }
    }

    pub fn products(&self) -> usize {
        self.views.iter().map(|(product, _)| product).collect::<HashSet<_>>().len()
    }

    pub fn bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}

fn made_up() -> Vec<Value> {
    let mut random = StdRng::seed_from_u64(1);
    let mut batch = || {
        let product = (PRODUCTS * random.random::<f64>().powf(SKEW)) as u32;
        let data = json!({
            "custom_event_type": "navigation", "event_name": "product",
            "timestamp_unixtime_ms": MIDNIGHT + random.random::<f64>() * 86_399_999.0,
            "event_id": 679_644_799_952_992_000_i64, "session_id": 7_147_916_473_548_190_000_i64,
            "custom_attributes": {"codeColor": format!("{:08}_{:03}", 20_000_000 + product, product % 600)},
        });
        let events = json!([{"data": data, "event_type": "custom_event"}]);
        json!({"events": events, "mpid": 196_509_116_834_317_000_i64, "timestamp_unixtime_ms": 1_515_567_969_539.804_7})
    };
    (0..VIEWS).map(|_| batch()).collect()
}

fn view(batch: &Value) -> (String, f64) {
    let data = &batch["events"][0]["data"];
    let millis = data["timestamp_unixtime_ms"].as_f64().unwrap();
    (data["custom_attributes"]["codeColor"].as_str().unwrap().to_owned(), (millis - MIDNIGHT) / 1e3)
}
