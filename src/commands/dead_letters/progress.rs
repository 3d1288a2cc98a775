//! How far something long has come: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use crate::commands::terminal::{self, remark};
use crate::intake::files::Reporter as _;

/// How often a line is written where there is no terminal.
const LINES: Duration = Duration::from_secs(5);

/// Tells whoever waits.
pub(super) struct Progress {
    bar: terminal::Progress,
    of: u64,
    done: u64,
    said: Instant,
}

impl Progress {
    /// Of so many dead letters, none yet.
    pub(super) fn of(total: i64) -> Self {
        let (bar, of) = (terminal::Progress::new(), total.unsigned_abs());
        bar.found(of);
        Progress { bar, of, done: 0, said: Instant::now() }
    }

    /// So many by now.
    pub(super) fn is(&mut self, done: u64) {
        self.bar.decided(done.saturating_sub(self.done));
        self.done = done;
        if self.said.elapsed() > LINES && !stderr().is_terminal() {
            self.said = Instant::now();
            remark(&format!("{done} of {} dead letters", self.of));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}
