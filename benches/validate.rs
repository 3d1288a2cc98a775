//! How fast payloads are decoded and validated, on one core.

use std::time::Instant;

use crate::common::{cores, deliveries, median, payloads, per_second, shop};
use purser::events::Purchase;
use purser::pipeline::validate::decode_and_validate;

const PURCHASES: usize = 100_000;
const ROUNDS: usize = 7;

pub fn run() {
    let shop = shop();
    println!("{PURCHASES} purchases, {ROUNDS} rounds, one of {} cores", cores());
    for invalid in [0.0, 0.15, 1.0] {
        let deliveries = deliveries(&payloads(&shop, 7, invalid, PURCHASES));
        let bytes: usize = deliveries.iter().map(|delivery| delivery.payload.len()).sum();
        let (mut ours, mut reference) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for batch in deliveries.chunks(5000) {
                std::hint::black_box(decode_and_validate::<Purchase>(batch, 1 << 20));
            }
            ours.push(per_second(PURCHASES, start.elapsed()));
            let start = Instant::now();
            for delivery in &deliveries {
                std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&delivery.payload).unwrap());
            }
            reference.push(per_second(PURCHASES, start.elapsed()));
        }
        let (ours, reference) = (median(ours), median(reference));
        println!(
            "{:.0} % broken: {ours:.0} messages/s, {:.0} MB/s; serde_json::Value alone {reference:.0}/s, ratio {:.2}",
            invalid * 100.0,
            ours * bytes as f64 / PURCHASES as f64 / 1e6,
            ours / reference,
        );
    }
}
