//! What has been published so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What a run has done, by kind of message; kinds that have sent nothing are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(pub BTreeMap<&'static str, Counts>);

/// What a run has done of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that the server has confirmed.
    pub published: u64,
    /// Those of them that were sent before, and a second time on purpose.
    pub repeated: u64,
    /// Those of them that were broken on purpose, the repeated ones included.
    pub invalid: u64,
    /// The broken ones by what is wrong with them; faults that did not occur are left out.
    pub by_fault: BTreeMap<&'static str, u64>,
    /// Messages handed to the client and not confirmed when a shutdown ran out of time: each may
    /// or may not have arrived.
    pub unconfirmed: u64,
}

/// What is counted about a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) kind: &'static str,
    pub(crate) fault: Option<&'static str>,
    pub(crate) is_repeat: bool,
}

/// Counts from two sides: what was sent, and what was confirmed.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Summary>);

impl Tally {
    /// A message was handed to the client.
    pub(crate) fn sent(&self, tag: Tag) {
        self.with(tag.kind, |counts| counts.unconfirmed += 1);
    }

    /// A message that was sent has arrived.
    pub(crate) fn confirmed(&self, tag: Tag) {
        self.with(tag.kind, |counts| {
            counts.unconfirmed = counts.unconfirmed.saturating_sub(1);
            counts.published += 1;
            counts.repeated += u64::from(tag.is_repeat);
            if let Some(fault) = tag.fault {
                counts.invalid += 1;
                *counts.by_fault.entry(fault).or_default() += 1;
            }
        });
    }

    /// How it stands.
    pub(crate) fn summary(&self) -> Summary {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, kind: &'static str, change: impl FnOnce(&mut Counts)) {
        let mut summary = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(summary.0.entry(kind).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_unconfirmed_until_it_is_published() {
        let tally = Tally::default();
        let tag = |fault, is_repeat| Tag { kind: "purchase", fault, is_repeat };
        (0..4).for_each(|_| tally.sent(tag(None, false)));
        tally.confirmed(tag(None, false));
        tally.confirmed(tag(Some("empty_cart"), false));
        tally.confirmed(tag(Some("empty_cart"), true));
        let by_fault = BTreeMap::from([("empty_cart", 2)]);
        let counts = Counts { published: 3, repeated: 1, invalid: 2, by_fault, unconfirmed: 1 };
        assert_eq!(tally.summary(), Summary(BTreeMap::from([("purchase", counts)])));
    }
}
