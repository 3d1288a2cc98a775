//! What has been published so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::purchases::Fault;

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that the server has confirmed.
    pub published: u64,
    /// Those of them that were broken on purpose.
    pub invalid: u64,
    /// The broken ones by what is wrong with them; faults that did not occur are left out.
    pub by_fault: BTreeMap<Fault, u64>,
    /// Messages handed to the client and not confirmed when a shutdown ran out of time: each may
    /// or may not have arrived.
    pub unconfirmed: u64,
}

/// Counts from two sides: what was sent, and what was confirmed.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Summary>);

impl Tally {
    /// A message was handed to the client.
    pub(crate) fn sent(&self) {
        self.with(|summary| summary.unconfirmed += 1);
    }

    /// A message that was sent has arrived.
    pub(crate) fn confirmed(&self, fault: Option<Fault>) {
        self.with(|summary| {
            summary.unconfirmed = summary.unconfirmed.saturating_sub(1);
            summary.published += 1;
            if let Some(fault) = fault {
                summary.invalid += 1;
                *summary.by_fault.entry(fault).or_default() += 1;
            }
        });
    }

    /// How it stands.
    pub(crate) fn summary(&self) -> Summary {
        self.with(|summary| summary.clone())
    }

    fn with<R>(&self, change: impl FnOnce(&mut Summary) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_unconfirmed_until_it_is_published() {
        let tally = Tally::default();
        (0..4).for_each(|_| tally.sent());
        tally.confirmed(None);
        tally.confirmed(Some(Fault::EmptyCart));
        tally.confirmed(Some(Fault::EmptyCart));
        let by_fault = BTreeMap::from([(Fault::EmptyCart, 2)]);
        let expected = Summary { published: 3, invalid: 2, by_fault, unconfirmed: 1 };
        assert_eq!(tally.summary(), expected);
    }
}
