//! Views as mParticle sends them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::NaiveDate;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, stream};

use crate::likeness::{BATCHES_OF_A_FILE, Day, MILLIS_OF_A_DAY, Part, View, planned};

#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    #[arg(long)]
    views: u64,
    #[arg(long)]
    to: PathBuf,
    #[arg(long, default_value_t = 7)]
    days: u64,
    #[arg(long, default_value = "2016-01-01")]
    first_day: NaiveDate,
    /// Share of events that are no product views
    #[arg(long, default_value_t = 0.0)]
    others: f64,
    #[arg(long, default_value_t = 1)]
    events_per_batch: u64,
    /// Without gzip
    #[arg(long)]
    plain: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(args: Args) {
    let start = Instant::now();
    std::fs::create_dir_all(&args.to).unwrap();
    let parts = planned(args.views, args.days, args.first_day, BATCHES_OF_A_FILE);
    let files = parts.len();
    let write = |part| {
        let args = args.clone();
        async move { tokio::task::spawn_blocking(move || write(&args, &part)).await.unwrap() }
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    let bytes: u64 = stream::iter(parts).map(write).buffer_unordered(cores).collect::<Vec<_>>().await.iter().sum();
    println!(
        "{} views in {files} files: {:.1} MB of JSON, {:.0} s",
        args.views,
        bytes as f64 / 1e6,
        start.elapsed().as_secs_f64()
    );
}

fn write(args: &Args, part: &Part) -> u64 {
    let suffix = if args.plain { "json" } else { "json.gz" };
    let name = format!("{}_productEvent_{}_{:05}.{suffix}", part.platform, part.day.format("%Y%m%d"), part.number);
    let file = BufWriter::with_capacity(1 << 20, File::create(Path::new(&args.to).join(name)).unwrap());
    let batches = batches(args, part);
    if args.plain {
        let mut file = file;
        file.write_all(batches.as_bytes()).unwrap();
        file.flush().unwrap();
    } else {
        let mut file = GzEncoder::new(file, Compression::default());
        file.write_all(batches.as_bytes()).unwrap();
        file.finish().unwrap().flush().unwrap();
    }
    batches.len() as u64
}

/// All batches of a file, with so many views between them.
fn batches(args: &Args, part: &Part) -> String {
    let midnight = part.day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis() as f64;
    let mut day = Day::new(args.seed, part.number, part.views);
    let mut text = String::with_capacity(part.views as usize * 512);
    let mut left = part.views;
    text.push_str("[\n");
    while left > 0 {
        left -= batch(args, &mut day, midnight, left, &mut text);
        text.push_str(if left > 0 { ",\n" } else { "\n" });
    }
    text.push_str("]\n");
    text
}

/// One batch, and how many views it has.
fn batch(args: &Args, day: &mut Day, midnight: f64, most: u64, text: &mut String) -> u64 {
    let (mut views, first) = (0, day.view());
    text.push_str("  {\n    \"events\": [");
    for event in 0..args.events_per_batch {
        text.push_str(if event == 0 { "\n" } else { ",\n" });
        if views == most || day.happens(args.others) {
            text.push_str(OTHER);
        } else {
            let View { millis_of_day, product, event_id, .. } = day.view();
            view(&product, midnight + millis_of_day, event_id, first.session_id, text);
            views += 1;
        }
    }
    let (mpid, sent) = (first.mpid, midnight + first.millis_of_day / 2.0 + MILLIS_OF_A_DAY);
    write!(text, "\n    ],\n    \"mpid\": {mpid},\n    \"timestamp_unixtime_ms\": {sent}\n  }}").unwrap();
    views
}

fn view(product: &str, millis: f64, event_id: u64, session_id: u64, text: &mut String) {
    write!(
        text,
        r#"      {{
        "data": {{
          "custom_event_type": "navigation",
          "event_name": "product",
          "timestamp_unixtime_ms": {millis},
          "event_id": {event_id},
          "session_id": {session_id},
          "custom_attributes": {{
            "codeColor": "{product}"
          }}
        }},
        "event_type": "custom_event"
      }}"#
    )
    .unwrap();
}

/// What else a batch may hold.
const OTHER: &str = r#"      {
        "data": {
          "custom_event_type": "navigation",
          "event_name": "view_menu",
          "custom_attributes": {
            "app_version": "7.1"
          }
        },
        "event_type": "custom_event"
      }"#;
