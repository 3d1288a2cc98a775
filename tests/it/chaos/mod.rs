//! Two workers, and everything around them breaks, by a schedule that a seed draws. At the end everything that
//! was sent is exactly one row or one dead letter, and all accounts agree.
//!
//! A long run, by hand: `CHAOS_SECONDS=600 CHAOS_SEED=7 cargo test --test it chaos -- --nocapture`. It tells how
//! many steps it took; `CHAOS_STEPS` in place of `CHAOS_SECONDS` repeats just those.

mod crew;
mod faults;
mod messages;
mod other_ways;
mod report;
mod schedule;
mod world;

use std::time::{Duration, Instant};

use schedule::Schedule;
use world::World;

/// Each sort of fault about once.
const STEPS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_everything_becomes_what_it_must() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("CHAOS_SEED").unwrap_or(1);
    let seconds = number("CHAOS_SECONDS");
    let steps =
        number("CHAOS_STEPS").map_or(if seconds.is_some() { usize::MAX } else { STEPS }, |steps| steps as usize);
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut world = World::start(seed).await;
    for (number, step) in Schedule::new(seed).take(steps).enumerate() {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        println!("{number}: {step:?}");
        world.take(step).await;
    }
    println!("{}", world.finish().await);
}
