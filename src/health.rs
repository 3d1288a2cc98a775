//! Which of the outside services a process can reach, as `GET /readyz` tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the tasks of a process last saw of the services that they use. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    /// What stands for a service that works.
    pub const OK: &str = "ok";

    /// The service works.
    pub fn works(&self, service: &'static str) {
        self.set(service, Health::OK.to_owned());
    }

    /// The service does not work, and why. The text is shown to whoever asks: no secrets.
    pub fn fails(&self, service: &'static str, why: impl Into<String>) {
        self.set(service, why.into());
    }

    /// Every service that a task has looked at, with `ok` or what is wrong.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, service: &'static str, state: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(service, state);
    }
}
