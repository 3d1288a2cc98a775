//! What people read: answers on standard output, remarks on standard error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::intake::files::{Counts, Reporter};
use crate::pipeline::verdict::Reason;
use crate::verify::Watcher;

/// Writes to standard output. `false` when whoever read it has gone away, which is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn answer(text: impl AsRef<[u8]>) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Writes a line to standard error; that nobody can read it is no reason to stop.
pub fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A progress bar and remarks above it; only the remarks where standard error is no terminal.
pub struct Progress {
    bar: ProgressBar,
    bytes: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Draws it.
    #[must_use]
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target());
        let template = "{wide_bar} {human_pos} of {human_len} records, {per_sec}, {msg}{eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, bytes: AtomicU64::new(0) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What became of records, in lines.
#[must_use]
pub fn describe(counts: &Counts) -> String {
    let all = |by_reason: &BTreeMap<Reason, u64>| by_reason.values().sum::<u64>();
    let (rejected, before) = (all(&counts.rejected), all(&counts.rejected_before));
    let mut text = format!(
        "records: {} stored, {} duplicate, {rejected} rejected, {before} rejected before, {} ignored\n",
        counts.stored, counts.duplicate, counts.ignored
    );
    for (name, by_reason) in [("rejected", &counts.rejected), ("rejected before", &counts.rejected_before)] {
        for (reason, count) in by_reason {
            // Writing into a string does not fail.
            let _ = writeln!(text, "  {name}, {reason}: {count}");
        }
    }
    text
}

/// Where a bar is drawn.
fn target() -> ProgressDrawTarget {
    match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(10),
        false => ProgressDrawTarget::hidden(),
    }
}

/// A line that says what is being looked at; none where standard error is no terminal.
pub struct Stage(ProgressBar);

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Draws it.
    #[must_use]
    pub fn new() -> Self {
        let line = ProgressBar::with_draw_target(None, target());
        line.enable_steady_tick(Duration::from_millis(200));
        Stage(line)
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Watcher for Stage {
    fn at(&self, check: &str, place: &str) {
        self.0.set_message(format!("{check}: {place}"));
    }
}

impl Reporter for Progress {
    fn notice(&self, text: &str) {
        self.bar.suspend(|| remark(text));
    }

    fn found(&self, records: u64) {
        self.bar.inc_length(records);
    }

    fn decided(&self, records: u64) {
        self.bar.inc(records);
    }

    fn weighed(&self, bytes: u64) {
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let rate = all as f64 / 1e6 / self.bar.elapsed().as_secs_f64();
        self.bar.set_message(format!("{rate:.0} MB/s, "));
    }
}
