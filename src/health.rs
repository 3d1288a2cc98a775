//! Which of the outside services a process can reach, as `GET /readyz` tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the tasks of a process last saw of the services that they use. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Parts>>>);

/// What was last seen of each part of a service, such as a subscription.
type Parts = BTreeMap<String, String>;

impl Health {
    /// What stands for a service that works.
    pub const OK: &str = "ok";

    /// The part of the service works.
    pub fn works(&self, service: &'static str, part: &str) {
        self.set(service, part, Health::OK.to_owned());
    }

    /// The part of the service does not work, and why. The text is shown to whoever asks: no secrets.
    pub fn fails(&self, service: &'static str, part: &str, why: impl Into<String>) {
        self.set(service, part, why.into());
    }

    /// Every service that a task has looked at, with `ok` or what is wrong with which part.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<&'static str, String> {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.iter().map(|(service, parts)| (*service, summary(parts))).collect()
    }

    fn set(&self, service: &'static str, part: &str, state: String) {
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.entry(service).or_default().insert(part.to_owned(), state);
    }
}

fn summary(parts: &Parts) -> String {
    let failing: Vec<String> = parts
        .iter()
        .filter(|(_, state)| *state != Health::OK)
        .map(|(part, state)| format!("{part}: {state}"))
        .collect();
    if failing.is_empty() { Health::OK.to_owned() } else { failing.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_works_when_all_of_its_parts_do() {
        let health = Health::default();
        health.works("pubsub", "orders");
        health.fails("pubsub", "clicks", "no such subscription");
        assert_eq!(health.checks()["pubsub"], "clicks: no such subscription");
        health.works("pubsub", "clicks");
        assert_eq!(health.checks()["pubsub"], Health::OK);
    }
}
