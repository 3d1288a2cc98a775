//! What became of events.

use std::collections::BTreeMap;

use super::Metrics;
use super::labels::EventLabels;
use crate::events::KINDS;
use crate::intake::Source;
use crate::pipeline::Outcome;
use crate::pipeline::verdict::Reason;

/// The events of a batch, by what became of them.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) stored: u64,
    pub(super) duplicate: u64,
    pub(super) ignored: u64,
    /// In the order of [`Reason::ALL`].
    rejected: [u64; Reason::ALL.len()],
}

impl Counted {
    pub(super) fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Self {
        let mut counted = Counted::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Stored { .. } => counted.stored += 1,
                Outcome::Duplicate { .. } | Outcome::RejectedBefore(_) => counted.duplicate += 1,
                Outcome::Rejected(letter) => counted.rejected[letter.reason as usize] += 1,
                Outcome::Ignored => counted.ignored += 1,
            }
        }
        counted
    }

    pub(super) fn rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Outcome, reason and number of what there is.
    fn labelled(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let accepted = [("stored", self.stored), ("duplicate", self.duplicate), ("ignored", self.ignored)];
        let rejected = Reason::ALL.iter().zip(self.rejected);
        let all = accepted.into_iter().map(|(outcome, count)| (outcome, "", count));
        let all = all.chain(rejected.map(|(reason, count)| ("rejected", reason.as_str(), count)));
        all.filter(|(.., count)| *count > 0)
    }
}

impl Metrics {
    /// Counts the events of a batch that has committed.
    pub(super) fn decided(&self, kind: &'static str, source: Source, counted: &Counted) {
        for (outcome, reason, count) in counted.labelled() {
            let labels = EventLabels { kind, source: source.as_str(), outcome, reason };
            self.events.get_or_create(&labels).inc_by(count);
        }
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
