//! What people read: answers on standard output, remarks on standard error.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::intake::files::Reporter;
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
pub struct Progress(ProgressBar);

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
        let template = "{wide_bar} {human_pos} of {human_len} records, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
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
        self.0.suspend(|| remark(text));
    }

    fn found(&self, records: u64) {
        self.0.inc_length(records);
    }

    fn decided(&self, records: u64) {
        self.0.inc(records);
    }
}
