//! How fast batches are decoded and validated, on one core, against a parser that does nothing with them.

use std::hint::black_box;
use std::time::Instant;

use chrono::Utc;
use purser::events::ProductView;
use purser::intake::{Delivery, Origin};
use purser::pipeline::validate::decode_and_validate;

use super::day::Day;
use crate::common::{Nobody, cores, median};

const ROUNDS: usize = 15;

pub fn run(day: &Day) {
    let deliveries = deliveries(day);
    let (mut ours, mut reference, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(megabytes_per_second(day, || {
            for batch in deliveries.chunks(5000) {
                black_box(decode_and_validate::<ProductView>(batch, 1 << 20));
            }
        }));
        // It writes into what it parses.
        let mut copies: Vec<Vec<u8>> = day.records.iter().map(|record| record.to_vec()).collect();
        reference.push(megabytes_per_second(day, || {
            for copy in &mut copies {
                black_box(simd_json::to_tape(copy).unwrap());
            }
        }));
        let mut copies: Vec<Vec<u8>> = day.records.iter().map(|record| record.to_vec()).collect();
        value.push(megabytes_per_second(day, || {
            for copy in &mut copies {
                black_box(simd_json::to_borrowed_value(copy).unwrap());
            }
        }));
    }
    let (ours, reference, value) = (median(ours), median(reference), median(value));
    println!(
        "decode and validate, {ROUNDS} rounds, one of {} cores: {ours:.0} MB/s; simd-json to a tape {reference:.0} MB/s, \
         ratio {:.2}; to a value {value:.0} MB/s, ratio {:.2}",
        cores(),
        ours / reference,
        ours / value,
    );
}

fn megabytes_per_second(day: &Day, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    day.bytes() as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// As `purser ingest` makes them.
pub fn deliveries(day: &Day) -> Vec<Delivery> {
    let (now, file) = (Utc::now(), uuid::Uuid::new_v4().simple());
    let delivery = |(position, payload): (u64, &bytes::Bytes)| Delivery {
        id: format!("file:{file}{file}#{position}"),
        payload: payload.clone(),
        published_at: now,
        received_at: now,
        origin: Origin::File {
            object: "/data/product_views/MobileWeb_productEvent_20160201.json.gz".into(),
            record: position + 1,
            attributes: std::sync::Arc::default(),
            too_large: None,
        },
        replays: None,
        receipt: Box::new(Nobody),
    };
    (0..).zip(&day.records).map(delivery).collect()
}
