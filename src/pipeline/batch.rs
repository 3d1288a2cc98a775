//! What one transaction decides.

use uuid::Uuid;

use super::verdict::{Code, Reason, Rejection, Violation};
use super::{AllJudged, Judged, Which};
use crate::events::EventKind;
use crate::intake::Source;

/// The most violations that a batch of several events may report: about 5 MiB of dead letters.
const VIOLATIONS: usize = 10_000;

/// A batch on its way into the database. Its id makes an attempt safe to repeat.
pub(super) struct Batch<K: EventKind> {
    pub(super) id: Uuid,
    pub(super) source: Source,
    pub(super) events: Vec<Judged<K>>,
    /// The events to be counted only.
    pub(super) ignored: Vec<Which>,
}

impl<K: EventKind> Batch<K> {
    /// The verdicts as one batch, or as several where there is so much wrong with them that their dead
    /// letters would fill the memory. The last of them is to be decided first, and has
    /// this id.
    pub(super) fn cut(id: Uuid, source: Source, AllJudged { events, ignored }: AllJudged<K>) -> Vec<Self> {
        let mut batches = vec![Batch { id, source, events: Vec::new(), ignored }];
        let mut violations = 0;
        for event in events {
            violations += event.verdict.as_ref().err().map_or(0, |rejection| rejection.violations.len());
            if violations > VIOLATIONS {
                violations = 0;
                batches.insert(0, Batch { id: Uuid::now_v7(), source, events: Vec::new(), ignored: Vec::new() });
            }
            batches[0].events.push(event);
        }
        batches
    }

    /// Even the barest dead letter of its one event was refused: that is no fault of the event's.
    pub(super) fn may_be_blamed(&self) -> bool {
        !matches!(self.events.as_slice(), [event] if event.refusals > 1)
    }

    /// What is left to do after Postgres refused a row: both halves, or, once it is known which
    /// event it was, that event as a dead letter.
    pub(super) fn without_the_refused(mut self, refused: &str) -> Vec<Self> {
        let halves = self.events.len() / 2;
        if let [event] = self.events.as_mut_slice() {
            let violation = Violation::new(Code::DatabaseRefused, "", "a row that Postgres accepts", refused);
            event.verdict = Err(Rejection::single(Reason::Database, violation));
            event.refusals += 1;
        }
        let rest = self.events.split_off(halves);
        let batch = |events, ignored| Batch { id: Uuid::now_v7(), source: self.source, events, ignored };
        // The last is decided first: of two events with one id, the earlier is to be stored.
        let halves = [batch(rest, Vec::new()), batch(self.events, self.ignored)];
        halves.into_iter().filter(|half| !(half.events.is_empty() && half.ignored.is_empty())).collect()
    }
}
