//! What is away, and what is held back.

use super::Metrics;
use super::labels::{AnsweredLabel, DependencyLabel, KindLabel};

/// A service that a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The database.
    Postgres,
    /// Where events come from.
    PubSub,
    /// Where dead letters go.
    Blob,
}

impl Dependency {
    /// All of them.
    pub const ALL: [Dependency; 3] = [Dependency::Postgres, Dependency::PubSub, Dependency::Blob];

    pub(super) fn label(self) -> DependencyLabel {
        let dependency = match self {
            Dependency::Postgres => "postgres",
            Dependency::PubSub => "pubsub",
            Dependency::Blob => "blob",
        };
        DependencyLabel { dependency }
    }
}

impl Metrics {
    /// A task begins to hold because the dependency is away.
    pub fn outage_began(&self, dependency: Dependency) {
        self.outages.get_or_create(&dependency.label()).inc();
        self.holding.get_or_create(&dependency.label()).inc();
    }

    /// It holds no longer.
    pub fn outage_ended(&self, dependency: Dependency) {
        self.holding.get_or_create(&dependency.label()).dec();
    }

    /// Another attempt is made.
    pub fn retried(&self, dependency: Dependency) {
        self.retries.get_or_create(&dependency.label()).inc();
    }

    /// Tasks that hold right now because the dependency is away.
    #[must_use]
    pub fn holding(&self, dependency: Dependency) -> i64 {
        self.holding.get_or_create(&dependency.label()).get()
    }

    /// The history was asked, and answered to the end or did not.
    pub fn history_asked(&self, answered: bool) {
        let outcome = if answered { "answered" } else { "failed" };
        self.history_questions.get_or_create(&AnsweredLabel { outcome }).inc();
    }

    /// The breaker holds a kind back, or does so no longer.
    pub fn breaker(&self, kind: &'static str, open: bool) {
        self.breaker_open.get_or_create(&KindLabel { kind }).set(i64::from(open));
    }
}
