//! Whatever happens in whatever order: the counts are those of the rows.

use proptest::prelude::*;
use serde_json::json;

use super::{Upkeep, event_with, nobody_waits, shopper, store};
use crate::support::Rig;

const COUNTRIES: [Option<&str>; 4] = [None, Some("DE"), Some("FR"), Some("unknown")];

#[derive(Debug, Clone)]
enum Step {
    /// Events of a batch: user, version, day.
    Store(Vec<(u8, u8, u8)>),
    /// A shopper appears, or moves to another country.
    Shopper(u8, usize),
    /// All shoppers go.
    NoShoppers,
    /// A worker moves what it can.
    Move,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = (0..6_u8, 0..3_u8, 1..28_u8);
    let step = prop_oneof![
        4 => proptest::collection::vec(event, 1..12).prop_map(Step::Store),
        4 => (0..6_u8, 0..COUNTRIES.len()).prop_map(|(user, country)| Step::Shopper(user, country)),
        1 => Just(Step::NoShoppers),
        2 => Just(Step::Move),
    ];
    proptest::collection::vec(step, 1..16)
}

async fn take(rig: &Rig, step: &Step) {
    match step {
        Step::Store(events) => {
            let event = |(user, version, day): &(u8, u8, u8)| {
                event_with(&format!("u{user}"), &format!("v{version}"), "date", json!(format!("2026-01-{day:02}")))
            };
            store(rig, events.iter().map(event)).await;
        }
        Step::Shopper(user, country) => shopper(rig, &format!("u{user}"), COUNTRIES[*country]).await,
        Step::NoShoppers => drop(sqlx::query("DELETE FROM shoppers").execute(rig.pool()).await.unwrap()),
        Step::Move => {
            let upkeep = Upkeep::start(rig);
            nobody_waits(rig).await;
            upkeep.stop().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn counts_are_those_of_the_rows_after_every_step(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let rig = Rig::new().await;
            for step in &steps {
                take(&rig, step).await;
                rig.assert_accounts_agree().await;
            }
        });
    }
}
