//! Views as files of the history, with their rows in the catalog.

use std::time::Instant;

use chrono::NaiveDate;
use futures::{StreamExt as _, stream};
use purser::database;
use purser_history::catalog::{self, File};
use purser_history::store::Store;
use purser_history::views::{Rows, View, Writer, parts};
use uuid::Uuid;

use crate::likeness::{BATCHES_OF_A_FILE, Day, Part, planned};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    views: u64,
    #[arg(long)]
    to: String,
    /// Its schema is brought up to date
    #[arg(long)]
    database: String,
    #[arg(long, default_value_t = 30)]
    days: u64,
    #[arg(long, default_value = "2016-01-01")]
    first_day: NaiveDate,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A file has no more, so that a core holds no more.
const ROWS_OF_A_FILE: u64 = 2 << 20;

pub(crate) async fn run(args: Args) {
    let start = Instant::now();
    let store = Store::open(&args.to).unwrap();
    let pool = database::connect(&args.database, 2).unwrap();
    database::migrate(&pool).await.unwrap();
    catalog::settle(&pool, &store).await.unwrap();
    let write = |part| {
        let (store, seed) = (store.clone(), args.seed);
        async move { tokio::spawn(write(store, seed, part)).await.unwrap() }
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    let files: Vec<File> = stream::iter(planned(args.views, args.days, args.first_day, ROWS_OF_A_FILE))
        .map(write)
        .buffer_unordered(cores)
        .collect()
        .await;
    let mut tx = pool.begin().await.unwrap();
    catalog::add(&mut tx, &files).await.unwrap();
    tx.commit().await.unwrap();
    let (rows, bytes) = files.iter().fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
    println!(
        "{rows} views in {} files: {:.1} MB, {:.1} bytes a view, {:.0} s",
        files.len(),
        bytes as f64 / 1e6,
        bytes as f64 / rows as f64,
        start.elapsed().as_secs_f64()
    );
}

async fn write(store: Store, seed: u64, part: Part) -> File {
    let rows = views(seed, &part).take().unwrap();
    let sorted = parts(&rows).unwrap();
    drop(rows);
    let mut writer = Writer::begin(&store, part.platform, part.day).unwrap();
    for part in &sorted {
        writer.push(&part.rows).await.unwrap();
    }
    writer.finish().await.unwrap()
}

fn views(seed: u64, part: &Part) -> Rows {
    let midnight = part.day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    let (mut day, mut rows, mut file) = (Day::new(seed, part.number, part.views), Rows::default(), [0; 6]);
    for number in 0..part.views {
        if number % BATCHES_OF_A_FILE == 0 {
            file = day.bytes();
        }
        let made = day.view();
        let occurred_at = midnight + (made.millis_of_day * 1e3) as i64;
        let [mpid, session_id, event_id] = [made.mpid, made.session_id, made.event_id].map(|id| id.to_string());
        let view = View {
            id: id(file, day.bytes()),
            occurred_at,
            received_at: occurred_at + 1_000_000,
            platform: part.platform,
            product: &made.product,
            mpid: Some(&mpid),
            session_id: Some(&session_id),
            event_id: Some(&event_id),
        };
        rows.push(view).unwrap();
    }
    rows
}

/// Those of one file begin alike, as the pipeline makes them.
fn id(file: [u8; 6], rest: [u8; 10]) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&file);
    bytes[6..].copy_from_slice(&rest);
    Uuid::new_v8(bytes)
}
