//! Events of A/B tests: what is stored of them, and how they get the country of a shopper who comes later.

mod late;
mod sequences;
mod stored;

use purser::config::EventsConfig;
use purser::events::{Kind, Premises};
use purser::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::Rig;
use crate::support::stack::eventually;

/// An event of a user who was shown a version.
fn event(user: &str, version: &str) -> Value {
    json!({
        "user_id": user, "account_type": "free", "date": "2026-01-07T10:00:00Z", "event_type": "visit",
        "order_value": null, "version": version,
    })
}

fn event_with(user: &str, version: &str, field: &str, value: Value) -> Value {
    let mut event = event(user, version);
    event[field] = value;
    event
}

/// Stores events through a pipeline that has not seen any shopper before.
async fn store(rig: &Rig, events: impl IntoIterator<Item = Value>) {
    let rig = Rig::on(&rig.url);
    let words = rig.words_as("ab_event", events.into_iter().map(|event| event.to_string())).await;
    assert!(words.iter().all(|word| word == "stored"), "{words:?}");
}

async fn shopper(rig: &Rig, user: &str, country: Option<&str>) {
    let upsert = "INSERT INTO shoppers (user_id, country, gender) VALUES ($1, $2, 'F')
                  ON CONFLICT (user_id) DO UPDATE SET country = EXCLUDED.country";
    sqlx::query(upsert).bind(user).bind(country).execute(rig.pool()).await.unwrap();
}

/// Events by country and version, as `GET /monitor` counts them.
async fn counts(rig: &Rig) -> Vec<(String, String, i64)> {
    let select = "SELECT country, version, sum(events)::bigint FROM ab_split GROUP BY country, version
                  HAVING sum(events) <> 0 ORDER BY country, version";
    sqlx::query_as(select).fetch_all(rig.pool()).await.unwrap()
}

fn count(country: &str, version: &str, events: i64) -> (String, String, i64) {
    (country.to_owned(), version.to_owned(), events)
}

/// What a worker does beside deciding events, until it is stopped.
struct Upkeep {
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Upkeep {
    fn start(rig: &Rig) -> Upkeep {
        let upkeep = Kind::named("ab_event").unwrap().upkeep.unwrap();
        let shutdown = Shutdown::default();
        let config = EventsConfig { session_gap_minutes: 30 };
        let premises = Premises { pool: rig.pool().clone(), config, shutdown: shutdown.clone() };
        Upkeep { shutdown, running: tokio::spawn(upkeep(premises)) }
    }

    async fn stop(self) {
        self.shutdown.stop();
        self.running.await.unwrap().unwrap();
    }
}

/// Waits until nobody waits whose shopper is there.
async fn nobody_waits(rig: &Rig) {
    let waiting = "SELECT count(*) FROM ab_events JOIN shoppers USING (user_id)
                   WHERE ab_events.country IS NULL AND shoppers.country NOT IN ('', 'unknown')";
    eventually("nobody waits for a shopper who is there", async || rig.number(waiting).await == 0).await;
}
