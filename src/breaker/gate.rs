//! One breaker within a process: its state as last read, what was decided lately, and what is held.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use super::state::{Name, State, Switch};
use super::window::{Limits, Tally, Weight, Window};

/// The breaker of one subscription.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) kind: &'static str,
    subscription: String,
    /// `None` until it was read.
    switch: watch::Sender<Option<Switch>>,
    window: Mutex<Window>,
    /// Batches in flight have become facts.
    settled: Notify,
    /// The batches that are held, with what they turned out to be when they were judged again.
    held: Mutex<BTreeMap<u64, Option<Tally>>>,
    next: AtomicU64,
}

impl Gate {
    pub(super) fn new(kind: &'static str, subscription: String, limits: Limits) -> Self {
        Gate {
            kind,
            subscription,
            switch: watch::Sender::default(),
            window: Mutex::new(Window::new(limits)),
            settled: Notify::default(),
            held: Mutex::default(),
            next: AtomicU64::default(),
        }
    }

    pub(super) fn name(&self) -> Name<'_> {
        Name { kind: self.kind, subscription: &self.subscription }
    }

    pub(super) fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The state. Waits until it was read.
    pub(crate) async fn switch(&self) -> Switch {
        let _ = self.switch.subscribe().wait_for(Option::is_some).await;
        self.last_read().unwrap_or_else(|| Switch::closed(&self.subscription))
    }

    /// The state, where it was read.
    pub(crate) fn last_read(&self) -> Option<Switch> {
        self.switch.borrow().clone()
    }

    /// Returns when the state is another than that of `revision`.
    pub(crate) async fn changed(&self, revision: i64) {
        let mut switch = self.switch.subscribe();
        let is_other = |now: &Option<Switch>| now.as_ref().is_some_and(|now| now.revision != revision);
        let _ = switch.wait_for(is_other).await;
    }

    /// Takes a newer state over. Returns the one before, where there was one; `None` when this is not newer.
    pub(super) fn take_over(&self, switch: Switch) -> Option<Option<State>> {
        let mut before = None;
        self.switch.send_if_modified(|now| {
            if now.as_ref().is_some_and(|now| now.revision >= switch.revision) {
                return false;
            }
            let last = now.as_ref().map(|now| now.state);
            if switch.state == State::Closed {
                self.window().start_over(last == Some(State::Open));
            }
            before = Some(last);
            *now = Some(switch);
            true
        });
        before
    }

    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a batch may pass; if so, it is in flight from now on.
    pub(crate) fn enter(self: &Arc<Self>, batch: Tally) -> Result<Pass, Weight> {
        let mut window = self.window();
        match window.weigh(batch, Instant::now()) {
            Weight::Fine => {
                window.enter(batch);
                Ok(Pass { through: Some((Arc::clone(self), batch)) })
            }
            weight => Err(weight),
        }
    }

    /// Lets a batch pass, whatever it holds.
    pub(crate) fn enter_anyway(self: &Arc<Self>, batch: Tally) -> Pass {
        self.window().enter(batch);
        Pass { through: Some((Arc::clone(self), batch)) }
    }

    /// Completes when a batch that was in flight when it was made is decided.
    pub(crate) fn settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    /// Counts a batch among those that are held, until it is dropped.
    pub(crate) fn hold(self: &Arc<Self>, revision: i64) -> Held {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.held().insert(number, None);
        Held { gate: Arc::clone(self), number, revision }
    }

    /// Everything that is held, once all of it was judged again.
    pub(super) fn probed(&self, held: &Held, seen: Tally) -> Option<Tally> {
        let mut batches = self.held();
        batches.insert(held.number, Some(seen));
        let mut all = Tally::default();
        for batch in batches.values() {
            all += (*batch)?;
        }
        Some(all)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Tally>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that is held.
#[derive(Debug)]
pub(crate) struct Held {
    gate: Arc<Gate>,
    number: u64,
    /// The state under which it is.
    pub(super) revision: i64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.held().remove(&self.number);
    }
}

/// A batch on its way to be committed.
#[must_use = "the breaker waits for what became of the batch"]
#[derive(Debug, Default)]
pub(crate) struct Pass {
    through: Option<(Arc<Gate>, Tally)>,
}

impl Pass {
    /// It was committed, and this is what it was.
    pub(crate) fn decided(mut self, fact: Tally) {
        if let Some((gate, batch)) = self.through.take() {
            gate.window().leave(batch, fact, Instant::now());
            gate.settled.notify_waiters();
        }
    }
}

impl Drop for Pass {
    /// It was given up.
    fn drop(&mut self) {
        if let Some((gate, batch)) = self.through.take() {
            gate.window().leave(batch, Tally::default(), Instant::now());
            gate.settled.notify_waiters();
        }
    }
}
