//! What a day of a shop is like.
//!
//! Measured on a real one, of one platform: 47,633 batches of one event each, every one of them a product view, in an
//! array of 500 bytes a batch, indented; 4,051 products; no hour has more than three percent more views than the
//! average hour. The ids of that day are all the same, having been rounded to death: here they are random, a visitor
//! comes back for ten views, and a visit has five.

use chrono::{Days, NaiveDate};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub(crate) const PLATFORMS: [&str; 3] = ["iOS", "Android", "MobileWeb"];
pub(crate) const BATCHES_OF_A_FILE: u64 = 47_633;
pub(crate) const MILLIS_OF_A_DAY: f64 = 86_400_000.0;

/// Which share of the views the most viewed products have; straight lines between.
const POPULARITY: [(f64, f64); 13] = [
    (0.0, 0.0),
    (1.0, 0.0043),
    (10.0, 0.0338),
    (50.0, 0.1167),
    (100.0, 0.1863),
    (200.0, 0.2898),
    (400.0, 0.4378),
    (800.0, 0.6229),
    (1300.0, 0.7552),
    (2000.0, 0.8661),
    (3000.0, 0.9495),
    (3500.0, 0.9783),
    (PRODUCTS as f64, 1.0),
];
const PRODUCTS: u32 = 4051;

/// A view; the ids as numbers of as many digits as real ones have.
pub(crate) struct View {
    pub(crate) millis_of_day: f64,
    pub(crate) product: String,
    pub(crate) mpid: u64,
    pub(crate) session_id: u64,
    pub(crate) event_id: u64,
}

/// The views of one platform and day, without end; the same ones for the same seed.
pub(crate) struct Day {
    random: StdRng,
    visitors: u64,
}

impl Day {
    /// Of so many views, the number `part` of all that are made of a seed.
    pub(crate) fn new(seed: u64, part: u64, views: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part));
        Day { random, visitors: views.div_ceil(10) }
    }

    pub(crate) fn view(&mut self) -> View {
        let visitor = self.random.random_range(0..self.visitors);
        let visit = visitor * 2 + self.random.random_range(0..2);
        View {
            millis_of_day: self.random.random::<f64>() * (MILLIS_OF_A_DAY - 1.0),
            product: code_color(self.rank()),
            mpid: digits(visitor, 18),
            session_id: digits(visit ^ self.visitors, 19),
            event_id: digits(self.random.random(), 18),
        }
    }

    /// Whether something happens that is so likely.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.random.random::<f64>() < share
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.random.random()
    }

    /// The place of a product among the most viewed ones, from 0.
    fn rank(&mut self) -> u32 {
        let drawn: f64 = self.random.random();
        let above = POPULARITY.iter().position(|(_, share)| *share > drawn).unwrap();
        let ((low, from), (high, to)) = (POPULARITY[above - 1], POPULARITY[above]);
        (low + (high - low) * (drawn - from) / (to - from)) as u32
    }
}

/// Products that are viewed often do not stand together.
fn code_color(rank: u32) -> String {
    let product = rank * 1571 % PRODUCTS;
    format!("{:08}_{:03}", 20_000_000 + product, product % 600)
}

/// A number of so many digits that is made of another.
fn digits(number: u64, digits: u32) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let least = 10_u64.pow(digits - 1);
    // i64 ends at 9.2e18.
    least + (mixed ^ (mixed >> 31)) % (least * 8)
}

/// A file to be written.
pub(crate) struct Part {
    pub(crate) number: u64,
    pub(crate) platform: &'static str,
    pub(crate) day: NaiveDate,
    pub(crate) views: u64,
}

/// Views spread over days and platforms: as many files a day as it takes for none to have more than so many.
pub(crate) fn planned(views: u64, days: u64, first_day: NaiveDate, of_a_file: u64) -> Vec<Part> {
    let folders = days * PLATFORMS.len() as u64;
    let files = views.div_ceil(folders * of_a_file) * folders;
    let part = |number: u64| Part {
        number,
        platform: PLATFORMS[(number % 3) as usize],
        day: first_day + Days::new(number / 3 % days),
        views: views / files + u64::from(number < views % files),
    };
    (0..files).map(part).filter(|part| part.views > 0).collect()
}
