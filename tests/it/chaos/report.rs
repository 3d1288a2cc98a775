//! What a run did, for whoever reads about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use super::crew::Crew;
use super::schedule::Step;
use crate::support::Accounts;
use crate::support::book::Book;
use crate::support::proxy::Proxy;
use crate::support::sent::{Expected, Sent, Way};

pub struct Report {
    seed: u64,
    since: Instant,
    steps: usize,
    faults: BTreeMap<String, usize>,
    messages: BTreeMap<&'static str, usize>,
    rows: usize,
    letters: BTreeMap<&'static str, usize>,
    end: String,
}

impl Report {
    pub fn of(seed: u64) -> Report {
        let (faults, messages, letters) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Report { seed, since: Instant::now(), steps: 0, faults, messages, rows: 0, letters, end: String::new() }
    }

    pub fn took(&mut self, step: &Step) {
        self.steps += 1;
        for fault in &step.faults {
            *self.faults.entry(fault.sort()).or_default() += 1;
        }
    }

    pub fn sent(&mut self, messages: &[(Way, Sent)], again: usize, filed: usize) {
        let posted = messages.iter().filter(|(way, _)| *way == Way::Http).count();
        let ways = [("published", messages.len() - posted), ("posted", posted), ("published again", again)];
        for (way, count) in ways.into_iter().chain([("in files", filed)]) {
            *self.messages.entry(way).or_default() += count;
        }
    }

    pub fn closed(&mut self, crew: &Crew, proxy: &Proxy, book: &Book, accounts: &Accounts) {
        for expected in book.sent().iter().flat_map(|sent| &sent.expected) {
            match expected {
                Expected::Row(_) | Expected::RowInTheEnd(_) => self.rows += 1,
                Expected::Letter { reason, .. } => *self.letters.entry(reason).or_default() += 1,
            }
        }
        self.end = format!(
            "{accounts:?}; {} processes started, {} ended untold {:?}, {} commit replies lost",
            crew.started,
            crew.deserters.len(),
            crew.deserters,
            proxy.commit_replies_lost()
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        writeln!(f, "seed {}: {} steps in {} s", self.seed, self.steps, self.since.elapsed().as_secs())?;
        writeln!(f, "  {faults} faults: {:?}", self.faults)?;
        writeln!(f, "  messages: {:?}", self.messages)?;
        writeln!(f, "  events that should be rows: {}, dead letters: {:?}", self.rows, self.letters)?;
        write!(f, "  everything is what it must be: {}", self.end)
    }
}
