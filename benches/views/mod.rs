//! Product views: how fast they are read, stored, and turned into click-through rates.
//!
//! `VIEWS_FILE=<json.gz>` takes a day from a file instead of making one up, `VIEWS_DAYS=350` stores so many days
//! of three platforms before anything is asked; a day has 143,000 views, and a year needs 15 GB of disk.

mod day;
mod decode;
mod history;
mod rates;

use day::Day;

pub async fn run() {
    let day = Day::open();
    println!("a day of {} views, {} products, {:.1} MB", day.views.len(), day.products(), day.bytes() as f64 / 1e6);
    decode::run(&day);
    rates::run(&day).await;
}
