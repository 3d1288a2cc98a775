//! How fast batches are decoded and validated on one core, against a parser that does nothing with them.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use chrono::Utc;
use purser::events::ProductView;
use purser::intake::files::list;
use purser::intake::{Delivery, Origin, Receipt};
use purser::pipeline::Outcome;
use purser::pipeline::validate::decode_and_validate;
use purser::shutdown::Shutdown;

#[derive(clap::Args)]
pub(crate) struct Args {
    folder: String,
    /// Megabytes of JSON to take, from the first files on
    #[arg(long, default_value_t = 250)]
    megabytes: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

const LIMIT: usize = 1 << 20;
/// Deliveries that are decided at once.
const BATCH: usize = 5000;

pub(crate) async fn run(args: &Args) {
    let deliveries = deliveries(args).await;
    let bytes = deliveries.iter().map(|delivery| delivery.payload.len()).sum();
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        ours.push(megabytes_per_second(bytes, || {
            for batch in deliveries.chunks(BATCH) {
                black_box(decode_and_validate::<ProductView>(batch, LIMIT));
            }
        }));
        // It writes into what it parses.
        let mut copies: Vec<Vec<u8>> = deliveries.iter().map(|delivery| delivery.payload.to_vec()).collect();
        reference.push(megabytes_per_second(bytes, || {
            for copy in &mut copies {
                black_box(simd_json::to_tape(copy).unwrap());
            }
        }));
    }
    let (ours, reference) = (median(ours), median(reference));
    println!(
        "{} batches, {:.1} MB, one core, median of {}: decoded and validated at {ours:.0} MB/s, parsed to a tape by \
         simd-json at {reference:.0} MB/s, ratio {:.3}",
        deliveries.len(),
        bytes as f64 / 1e6,
        args.rounds,
        ours / reference
    );
}

fn megabytes_per_second(bytes: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn deliveries(args: &Args) -> Vec<Delivery> {
    let (mut deliveries, mut bytes) = (Vec::new(), 0);
    for object in list(&args.folder).await.unwrap() {
        if bytes >= args.megabytes * 1_000_000 {
            break;
        }
        let mut records = object.records(LIMIT, &Shutdown::default());
        while let Some(records) = records.next().await {
            for record in records {
                let (payload, _) = record.into_payload();
                bytes += payload.len();
                deliveries.push(delivery(&object.name, deliveries.len() as u64, payload));
            }
        }
        records.finish().await.unwrap();
    }
    deliveries
}

/// As `compact` makes them.
fn delivery(object: &std::sync::Arc<str>, record: u64, payload: Bytes) -> Delivery {
    let now = Utc::now();
    Delivery {
        id: format!("file:{}#{record}", "0123456789abcdef".repeat(4)),
        payload,
        published_at: now,
        received_at: now,
        origin: Origin::File {
            object: std::sync::Arc::clone(object),
            record: record + 1,
            attributes: std::sync::Arc::default(),
            too_large: None,
        },
        replays: None,
        receipt: Box::new(Nobody),
    }
}

/// Nobody waits for what is only measured.
struct Nobody;

impl Receipt for Nobody {
    fn settle(self: Box<Self>, _outcomes: Vec<Outcome>) {}
}
