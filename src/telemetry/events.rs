//! What became of events.

use std::collections::BTreeMap;

use super::Metrics;
use super::labels::EventLabels;
use crate::events::KINDS;
use crate::intake::Source;
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Reason;

impl Metrics {
    /// Counts the events of a batch that has committed.
    pub(super) fn decided<'o>(
        &self,
        kind: &'static str,
        source: Source,
        outcomes: impl Iterator<Item = &'o Outcome>,
    ) -> BTreeMap<&'static str, u64> {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(words(outcome)).or_default() += 1;
        }
        let mut by_outcome = BTreeMap::new();
        for ((outcome, reason), count) in counts {
            let labels = EventLabels { kind, source: source.as_str(), outcome, reason };
            self.events.get_or_create(&labels).inc_by(count);
            *by_outcome.entry(outcome).or_default() += count;
        }
        by_outcome
    }

    /// The events so far, over all kinds and sources.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (kind, source) in KINDS.iter().flat_map(|kind| Source::ALL.iter().map(move |source| (kind, source))) {
            let count = |outcome, reason| {
                let labels = EventLabels { kind: kind.name, source: source.as_str(), outcome, reason };
                self.events.get(&labels).map_or(0, |counter| counter.get())
            };
            totals.stored += count("stored", "");
            totals.duplicate += count("duplicate", "");
            totals.ignored += count("ignored", "");
            for reason in Reason::ALL {
                match count("rejected", reason.as_str()) {
                    0 => {}
                    rejected => *totals.rejected.entry(*reason).or_default() += rejected,
                }
            }
        }
        totals
    }
}

/// Outcome and reason, as labels.
fn words(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Stored { .. } => ("stored", ""),
        Outcome::Duplicate { .. } | Outcome::RejectedBefore(_) => ("duplicate", ""),
        Outcome::Rejected(letter) => ("rejected", letter.reason.as_str()),
        Outcome::Ignored => ("ignored", ""),
    }
}

/// Events decided by a process, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Became rows.
    pub stored: u64,
    /// Had been decided before.
    pub duplicate: u64,
    /// Were messages without an event.
    pub ignored: u64,
    /// Became dead letters.
    pub rejected: BTreeMap<Reason, u64>,
}

impl Totals {
    /// All of them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.stored + self.duplicate + self.ignored + self.rejected.values().sum::<u64>()
    }
}
