//! US addresses over two lines, a tenth of them military.

use fake::Fake;
use fake::faker::address::en::{CityPrefix, CitySuffix, StreetSuffix};
use fake::faker::name::en::LastName;
use rand::RngExt;
use rand::seq::IndexedRandom;

/// The share of addresses that are military.
const MILITARY: f64 = 0.1;

/// A state, and the first and last of a run of three-digit ZIP prefixes that are all its own.
type Region = (&'static str, u16, u16);

/// The fifty states and the District of Columbia.
pub(crate) const STATES: [Region; 51] = [
    ("AK", 995, 999),
    ("AL", 350, 352),
    ("AR", 716, 729),
    ("AZ", 850, 853),
    ("CA", 900, 908),
    ("CO", 800, 816),
    ("CT", 60, 69),
    ("DC", 202, 205),
    ("DE", 197, 199),
    ("FL", 320, 339),
    ("GA", 300, 319),
    ("HI", 967, 968),
    ("IA", 500, 516),
    ("ID", 832, 838),
    ("IL", 600, 620),
    ("IN", 460, 479),
    ("KS", 664, 679),
    ("KY", 400, 418),
    ("LA", 703, 708),
    ("MA", 10, 27),
    ("MD", 206, 212),
    ("ME", 39, 49),
    ("MI", 480, 499),
    ("MN", 553, 567),
    ("MO", 633, 641),
    ("MS", 386, 397),
    ("MT", 590, 599),
    ("NC", 270, 289),
    ("ND", 580, 588),
    ("NE", 683, 693),
    ("NH", 30, 38),
    ("NJ", 70, 89),
    ("NM", 870, 871),
    ("NV", 890, 891),
    ("NY", 100, 149),
    ("OH", 430, 458),
    ("OK", 734, 741),
    ("OR", 970, 979),
    ("PA", 150, 196),
    ("RI", 28, 29),
    ("SC", 290, 299),
    ("SD", 570, 577),
    ("TN", 370, 385),
    ("TX", 750, 767),
    ("UT", 840, 847),
    ("VA", 220, 246),
    ("VT", 56, 59),
    ("WA", 980, 986),
    ("WI", 530, 532),
    ("WV", 247, 268),
    ("WY", 820, 831),
];

/// What stands where a state would: the Americas, Europe, the Pacific.
pub(crate) const ARMED_FORCES: [Region; 3] = [("AA", 340, 340), ("AE", 90, 98), ("AP", 962, 966)];

/// What stands where a city would: army, fleet, diplomats.
const POST_OFFICES: [&str; 3] = ["APO", "FPO", "DPO"];

/// Draws an address of exactly two lines: the street, then `<city>, <state> <zip>`.
///
/// One in ten is military, and its second line is `<APO|FPO|DPO> <AA|AE|AP> <zip>`, without a comma.
/// The ZIP code always belongs to the state.
pub fn address(rng: &mut impl RngExt) -> String {
    if rng.random_bool(MILITARY) { military(rng) } else { civilian(rng) }
}

fn civilian(rng: &mut impl RngExt) -> String {
    let number: u32 = rng.random_range(1..=99_999);
    let street: String = LastName().fake_with_rng(rng);
    let suffix: String = StreetSuffix().fake_with_rng(rng);
    let unit = match rng.random_range(0..4) {
        0 => format!(" Suite {:03}", rng.random_range(1..1000)),
        1 => format!(" Apt. {:03}", rng.random_range(1..1000)),
        _ => String::new(),
    };
    let city = city(rng);
    let (state, zip) = region(&STATES, rng);
    format!("{number} {street} {suffix}{unit}\n{city}, {state} {zip}")
}

/// The name of a town.
pub(crate) fn city(rng: &mut impl RngExt) -> String {
    let name: String = LastName().fake_with_rng(rng);
    if rng.random_bool(0.5) {
        let prefix: String = CityPrefix().fake_with_rng(rng);
        format!("{prefix} {name}")
    } else {
        let suffix: String = CitySuffix().fake_with_rng(rng);
        format!("{name}{suffix}")
    }
}

fn military(rng: &mut impl RngExt) -> String {
    let (unit, boxed) = (rng.random_range(1..10_000), rng.random_range(1..10_000));
    let street = match rng.random_range(0..3) {
        0 => format!("PSC {unit:04}, Box {boxed:04}"),
        1 => format!("Unit {unit:04} Box {boxed:04}"),
        _ => format!("USNS {}", LastName().fake_with_rng::<String, _>(rng)),
    };
    let office = POST_OFFICES.choose(rng).copied().unwrap_or("APO");
    let (state, zip) = region(&ARMED_FORCES, rng);
    format!("{street}\n{office} {state} {zip}")
}

/// A state of `regions` and a ZIP code of that state.
fn region(regions: &[Region], rng: &mut impl RngExt) -> (&'static str, String) {
    let (state, first, last) = regions[rng.random_range(0..regions.len())];
    let prefix = rng.random_range(first..=last);
    (state, format!("{prefix:03}{:02}", rng.random_range(1..100)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    #[test]
    fn no_zip_prefix_belongs_to_two_states() {
        let mut taken = BTreeSet::new();
        for (state, first, last) in STATES.into_iter().chain(ARMED_FORCES) {
            for prefix in first..=last {
                assert!(taken.insert(prefix), "{prefix} of {state} is taken");
            }
        }
    }

    #[test]
    fn every_state_is_lived_in() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let lived_in: BTreeSet<String> = (0..5000)
            .map(|_| address(&mut rng))
            .filter_map(|it| it.split(' ').nth_back(1).map(str::to_owned))
            .map(|state| state.rsplit('\n').next().unwrap_or_default().to_owned())
            .collect();
        let known = STATES.into_iter().chain(ARMED_FORCES).map(|it| it.0.to_owned());
        assert_eq!(lived_in, known.collect());
    }

    proptest! {
        #[test]
        fn an_address_is_two_lines_and_its_zip_is_of_its_state(seed: u64) {
            let address = address(&mut ChaCha8Rng::seed_from_u64(seed));
            let lines: Vec<&str> = address.split('\n').collect();
            prop_assert_eq!(lines.len(), 2);
            prop_assert!(!lines[0].trim().is_empty());
            let (rest, zip) = lines[1].rsplit_once(' ').unwrap();
            let (town, state) = rest.rsplit_once(' ').unwrap();
            prop_assert_eq!(zip.len(), 5);
            let military = POST_OFFICES.contains(&town);
            prop_assert_eq!(military, !town.ends_with(','));
            let regions: &[Region] = if military { &ARMED_FORCES } else { &STATES };
            let region = regions.iter().find(|it| it.0 == state).unwrap();
            let prefix: u16 = zip[..3].parse().unwrap();
            prop_assert!((region.1..=region.2).contains(&prefix));
        }
    }
}
