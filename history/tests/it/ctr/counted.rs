//! What `/ctr` has to answer: plain loops over what was made up, in whole numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::made_up::{Days, Question};

/// The whole answer, as it is written.
pub fn answer(days: &Days, question: &Question, with_late: bool) -> String {
    let Question { start, end, minutes, zone, product: only_product, platform: only_platform } = question;
    let micros = |at: &DateTime<Utc>| at.timestamp_micros();
    let length = minutes * 60_000_000;
    let mut counts: BTreeMap<(i64, &str, &str), (u64, u64)> = BTreeMap::new();
    let is_asked = |at: &DateTime<Utc>, platform: &str, product: &str| {
        micros(start) <= micros(at)
            && micros(at) < micros(end)
            && only_product.is_none_or(|only| only == product)
            && only_platform.is_none_or(|only| only.eq_ignore_ascii_case(platform))
    };
    let bucket = |at: &DateTime<Utc>| (0..).find(|bucket| micros(at) < micros(start) + (bucket + 1) * length).unwrap();
    for view in days.views.iter().filter(|view| with_late || !view.late) {
        if is_asked(&view.at, view.platform, view.product) {
            counts.entry((bucket(&view.at), view.platform, view.product)).or_default().0 += 1;
        }
    }
    for order in &days.orders {
        let counts_not = ["canceled", "cancelled"];
        if order.status.is_some_and(|status| counts_not.contains(&status.to_lowercase().as_str())) {
            continue;
        }
        let platform = match order.platform.map(str::to_lowercase).as_deref() {
            None => "unknown",
            Some("ios") => "iOS",
            Some("android") => "Android",
            Some("mobileweb") => "MobileWeb",
            Some(_) => "kiosk",
        };
        for product in order.items.iter().flatten().filter(|product| is_asked(&order.at, platform, product)) {
            counts.entry((bucket(&order.at), platform, product)).or_default().1 += 1;
        }
    }
    let rows = counts.iter().map(|((bucket, platform, product), (views, purchases))| {
        let at = (*start + TimeDelta::minutes(bucket * minutes)).with_timezone(zone).format("%Y-%m-%d %H:%M:%S");
        let (platform, product, ratio) = (json!(platform), json!(product), ratio(*views, *purchases));
        format!(r#"{{"timestamp":"{at}","platform":{platform},"product":{product},"CTR":{ratio}}}"#)
    });
    format!("[{}]", rows.collect::<Vec<_>>().join(",\n"))
}

/// Divided by hand: four decimals, half up.
fn ratio(views: u64, purchases: u64) -> String {
    if views == 0 {
        return "null".to_owned();
    }
    let (mut digits, mut rest) = ((purchases / views).to_string(), purchases % views);
    for _ in 0..4 {
        digits.push_str(&(rest * 10 / views).to_string());
        rest = rest * 10 % views;
    }
    let up = u64::from(rest * 2 >= views);
    let digits = format!("{:05}", digits.parse::<u64>().unwrap() + up);
    let (whole, decimals) = digits.split_at(digits.len() - 4);
    format!("{whole}.{decimals}")
}
