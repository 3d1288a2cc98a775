//! Which of the outside services a process can reach, as `GET /readyz` tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the tasks of a process last saw of the services that they use. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    services: Arc<Mutex<BTreeMap<&'static str, Parts>>>,
    warnings: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

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
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.iter().map(|(service, parts)| (*service, summary(parts))).collect()
    }

    /// All that there is to be said of a part that works, in place of what was said before. No secrets.
    pub fn warn(&self, part: &str, warnings: Vec<String>) {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(part.to_owned(), warnings);
    }

    /// What somebody should know although everything works, each beginning with the part that it is about.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().flat_map(|(part, said)| said.iter().map(move |warning| format!("{part}: {warning}"))).collect()
    }

    fn set(&self, service: &'static str, part: &str, state: String) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[test]
    fn warnings_stand_beside_what_works_until_they_are_taken_back() {
        let health = Health::default();
        health.warn("orders", vec!["it expires".to_owned()]);
        health.warn("clicks", Vec::new());
        assert_eq!(health.warnings(), ["orders: it expires"]);
        assert!(health.checks().is_empty());
        health.warn("orders", Vec::new());
        assert_eq!(health.warnings(), [""; 0]);
    }
}
