//! What happens, drawn from the seed: the same seed is the same schedule.

use std::time::Duration;

use pubsub_server::{Code, RpcFault};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

/// How many workers there are.
pub const WORKERS: usize = 2;

/// What is sent while something is broken.
#[derive(Debug, Clone)]
pub struct Step {
    /// So many purchases, and what goes with them of the other kinds.
    pub purchases: usize,
    /// Messages that are published once more.
    pub again: usize,
    /// Purchases in a file, and after how long the process that ingests them is killed the first time.
    pub back_fill: Option<(usize, Duration)>,
    pub faults: Vec<Fault>,
    /// How long the faults last.
    pub hold: Duration,
}

/// What may break.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// `kill -9`, and another worker takes its place.
    Kill(usize),
    /// SIGTERM, and another worker takes its place.
    Terminate(usize),
    Freeze(usize),
    CrashPostgres,
    StopPostgres,
    EndSessions,
    LoseCommitReplies(usize),
    SlowDatabase(Duration),
    LockTable(&'static str),
    EndStreams(Code),
    ShortStreams(u64),
    Redeliver,
    Duplicate(u64),
    LoseAcknowledgements(u64, RpcFault),
    LoseLeases(u64),
    FreezeConnections,
    CutConnections,
    RefuseConnections,
    RestartPubSub,
    BlobUnwritable,
}

impl Fault {
    /// Each sort once, with the particulars drawn.
    fn of_each_sort(rng: &mut StdRng) -> Vec<Fault> {
        let codes = [Code::Ok, Code::Unavailable, Code::Cancelled, Code::NotFound, Code::Internal, Code::Unknown];
        let replies = [RpcFault::Ignore, RpcFault::Fail(Code::Unavailable), RpcFault::LoseReply(Code::Unavailable)];
        let tables = ["purchases", "batches", "dead_letters", "ab_users", "click_sessions", "users", "shoppers"];
        let mut pick = |most: u64| rng.random_range(1..=most);
        let (every, delay) = ([pick(4), pick(3), pick(2)], Duration::from_millis(pick(60)));
        let (short, lost) = (pick(200), usize::try_from(pick(5)).unwrap());
        vec![
            Fault::Kill(rng.random_range(0..WORKERS)),
            Fault::Terminate(rng.random_range(0..WORKERS)),
            Fault::Freeze(rng.random_range(0..WORKERS)),
            Fault::CrashPostgres,
            Fault::StopPostgres,
            Fault::EndSessions,
            Fault::LoseCommitReplies(lost),
            Fault::SlowDatabase(delay),
            Fault::LockTable(tables.choose(rng).unwrap()),
            Fault::EndStreams(*codes.choose(rng).unwrap()),
            Fault::ShortStreams(short),
            Fault::Redeliver,
            Fault::Duplicate(every[0]),
            Fault::LoseAcknowledgements(every[1], *replies.choose(rng).unwrap()),
            Fault::LoseLeases(every[2]),
            Fault::FreezeConnections,
            Fault::CutConnections,
            Fault::RefuseConnections,
            Fault::RestartPubSub,
            Fault::BlobUnwritable,
        ]
    }

    /// The sort, for the report.
    pub fn sort(self) -> String {
        let text = format!("{self:?}");
        text.split(['(', '{', ' ']).next().unwrap_or_default().to_owned()
    }

    /// The worker whose process it hits.
    fn worker(self) -> Option<usize> {
        match self {
            Fault::Kill(worker) | Fault::Terminate(worker) | Fault::Freeze(worker) => Some(worker),
            _ => None,
        }
    }

    /// Whether both may be in force at once.
    fn goes_with(self, other: Fault) -> bool {
        let restart = |fault| matches!(fault, Fault::RestartPubSub);
        let postgres = |fault| matches!(fault, Fault::CrashPostgres | Fault::StopPostgres);
        let same_worker = self.worker().is_some() && self.worker() == other.worker();
        !(restart(self) || restart(other) || same_worker || postgres(self) && postgres(other))
    }
}

/// Steps without end. Faults are dealt like cards: each sort comes once before any comes again.
pub struct Schedule {
    rng: StdRng,
    deck: Vec<Fault>,
}

impl Schedule {
    pub fn new(seed: u64) -> Schedule {
        Schedule { rng: StdRng::seed_from_u64(seed), deck: Vec::new() }
    }

    fn deal(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = Fault::of_each_sort(&mut self.rng);
            self.deck.shuffle(&mut self.rng);
        }
        self.deck.pop().unwrap()
    }
}

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let mut faults = vec![self.deal()];
        for _ in 0..self.rng.random_range(0..=2) {
            let fault = self.deal();
            match faults.iter().all(|other| fault.goes_with(*other)) {
                true => faults.push(fault),
                false => self.deck.insert(0, fault),
            }
        }
        // Now and then long enough for leases to end.
        let seconds = if self.rng.random_range(0..8) == 0 { 12.0 } else { self.rng.random_range(0.2..2.0) };
        let killed_after = Duration::from_millis(self.rng.random_range(20..600));
        Some(Step {
            purchases: self.rng.random_range(10..60),
            again: self.rng.random_range(0..20),
            back_fill: (self.rng.random_range(0..4) == 0).then(|| (self.rng.random_range(50..400), killed_after)),
            faults,
            hold: Duration::from_secs_f64(seconds),
        })
    }
}
