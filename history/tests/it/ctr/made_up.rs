//! Views, orders and questions that nobody thought of, most of them about instants at which something changes.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Some days with everything that happens in them, and what is asked about them.
#[derive(Debug, Clone)]
pub struct Days {
    pub first: NaiveDate,
    pub views: Vec<View>,
    pub orders: Vec<Order>,
    pub questions: Vec<Question>,
}

#[derive(Debug, Clone)]
pub struct View {
    pub at: DateTime<Utc>,
    pub platform: &'static str,
    pub product: &'static str,
    /// Comes in when its day was moved already.
    pub late: bool,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub at: DateTime<Utc>,
    pub platform: Option<&'static str>,
    pub status: Option<&'static str>,
    pub items: Vec<Option<&'static str>>,
}

#[derive(Debug, Clone)]
pub struct Question {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub minutes: i64,
    pub zone: Tz,
    pub product: Option<&'static str>,
    pub platform: Option<&'static str>,
}

/// How many days there are.
pub const DAYS: i64 = 4;

/// The clocks of Berlin are changed on the second day, those of Lord Howe on the second; the second ends a year.
const FIRST: [(i32, u32, u32); 4] = [(2016, 3, 26), (2016, 10, 29), (2016, 4, 1), (2015, 12, 30)];
const ZONES: [Tz; 5] =
    [Tz::UTC, Tz::Europe__Berlin, Tz::Australia__Lord_Howe, Tz::Asia__Kathmandu, Tz::America__Sao_Paulo];
const PLATFORMS: [&str; 4] = ["iOS", "Android", "MobileWeb", "kiosk"];
const PRODUCTS: [&str; 8] = [
    "a",
    "A",
    "a ",
    "\u{e9}",
    "\u{1f6d2}",
    "say \"hi\"\\",
    "20008657_002",
    "a product whose name is longer than a word",
];
const MINUTES: [i64; 8] = [1, 7, 10, 30, 60, 90, 1440, 4000];

/// An instant that is chosen when the questions are known.
type Pick = (Index, i64, Index);

pub fn days() -> impl Strategy<Value = Days> {
    let pick = || {
        (any::<Index>(), prop_oneof![Just(0), Just(0), Just(1), Just(-1), -90_000_000_i64..90_000_000], any::<Index>())
    };
    let view = (pick(), select(&PLATFORMS[..]), select(&PRODUCTS[..]), prop::bool::weighted(0.2));
    // Few views make files that begin and end where a period does.
    let views = prop_oneof![vec(view.clone(), 0..12), vec(view, 0..250)];
    let platform = option::of(select(vec!["iOS", "IOS", "android", "MOBILEWEB", "Kiosk", "kiosk"]));
    let status = option::of(select(vec!["complete", "canceled", "CANCELLED", "Cancelled", "paid"]));
    let items = vec(option::weighted(0.9, select(&PRODUCTS[..])), 0..4);
    let order = (pick(), platform, status, items);
    let first = select(&FIRST[..]).prop_map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day).unwrap());
    (first, vec(question(), 1..6), views, vec(order, 0..60)).prop_map(|(first, questions, views, orders)| {
        let questions: Vec<Question> = questions.into_iter().map(|asked| asked.of(first)).collect();
        let instants: Arc<[DateTime<Utc>]> = instants(first, &questions).into();
        let at = |pick: Pick| picked(first, &instants, pick);
        let views = views.into_iter();
        let views =
            views.map(|(pick, platform, product, late)| View { at: at(pick), platform, product, late }).collect();
        let orders = orders.into_iter();
        let orders = orders.map(|(pick, platform, status, items)| Order { at: at(pick), platform, status, items });
        Days { first, views, orders: orders.collect(), questions }
    })
}

/// A question about days that are chosen later.
#[derive(Debug, Clone)]
struct Asked {
    start: i64,
    length: i64,
    minutes: i64,
    zone: Tz,
    product: Option<&'static str>,
    platform: Option<&'static str>,
}

/// Most begin at a midnight or a full hour.
fn question() -> impl Strategy<Value = Asked> {
    let span = 86_400 * DAYS;
    let start =
        prop_oneof![(0..DAYS).prop_map(|day| day * 86_400), (0..24 * DAYS).prop_map(|hour| hour * 3600), 0..span,];
    let length = prop_oneof![Just(86_400), Just(2 * 86_400), Just(span), 1..7200_i64, 1..span];
    let about =
        (option::weighted(0.3, select(&PRODUCTS[..])), option::weighted(0.3, select(vec!["ios", "Android", "KIOSK"])));
    (start, length, select(&MINUTES[..]), select(&ZONES[..]), about).prop_map(
        |(start, length, minutes, zone, about)| Asked {
            start,
            length,
            minutes,
            zone,
            product: about.0,
            platform: about.1,
        },
    )
}

impl Asked {
    /// Of times that the clocks show twice, the earlier one is meant.
    fn of(self, first: NaiveDate) -> Question {
        let Asked { start, length, minutes, zone, product, platform } = self;
        let meant = |at: DateTime<Utc>| {
            let wall = at.with_timezone(&zone).naive_local();
            zone.from_local_datetime(&wall).earliest().unwrap().with_timezone(&Utc)
        };
        let start = meant(midnight(first) + TimeDelta::seconds(start));
        let mut ends = (0..).map(|later| start + TimeDelta::seconds(length) + TimeDelta::hours(later));
        let end = ends.find(|end| meant(*end) == *end).unwrap();
        Question { start, end, minutes, zone, product, platform }
    }
}

/// Midnights in UTC and of the zones, changes of clocks, ends and edges of buckets.
fn instants(first: NaiveDate, questions: &[Question]) -> Vec<DateTime<Utc>> {
    let midnights = (0..=DAYS).map(|day| midnight(first) + TimeDelta::days(day));
    let mut instants: Vec<_> = midnights.clone().collect();
    for Question { start, end, minutes, zone, .. } in questions {
        let local = midnights.clone().filter_map(|at| zone.from_local_datetime(&at.naive_utc()).earliest());
        instants.extend(local.map(|at| at.with_timezone(&Utc)));
        let edges = (0..40).map(|bucket| *start + TimeDelta::minutes(bucket * minutes));
        instants.extend(edges.take_while(|at| at < end).chain([*end, *start]));
    }
    let changes: [DateTime<Utc>; 3] =
        ["2016-03-27T01:00:00Z", "2016-10-30T01:00:00Z", "2016-04-02T15:00:00Z"].map(|at| at.parse().unwrap());
    instants.extend(changes);
    instants
}

fn picked(first: NaiveDate, instants: &[DateTime<Utc>], (which, beside, day): Pick) -> DateTime<Utc> {
    let at = instants[which.index(instants.len())] + TimeDelta::microseconds(beside);
    let (begin, end) = (midnight(first), midnight(first) + TimeDelta::days(DAYS));
    if at >= begin && at < end { at } else { begin + TimeDelta::seconds(day.index(86_400 * DAYS as usize) as i64) }
}

pub fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
