//! What became of files and records.

use std::fmt;

use purser::commands::terminal;
use purser::intake::files::{Counts, Reporter};

/// What a run has done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Files that were read to the end in this run.
    pub compacted: u64,
    /// Files whose content was ingested before, here or by `purser ingest`.
    pub already: u64,
    /// Files that hold other bytes than a file of this name did before: views that both hold would count twice.
    pub changed: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Files that are left to somebody else who works on them, or to the next run.
    pub left: u64,
    /// Told to stop before the last record was read.
    pub interrupted: bool,
    /// What became of the records.
    pub counts: Counts,
    /// Of the records that were decided.
    pub bytes_in: u64,
    /// Of the files that were written.
    pub bytes_out: u64,
    /// How many these are.
    pub written: u64,
}

impl Summary {
    /// Whether every view of the files is kept somewhere.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.changed + self.failed + self.left == 0 && !self.interrupted
    }

    /// A file could not be read.
    pub(super) fn failed(&mut self, reporter: &dyn Reporter, notice: &str) {
        self.failed += 1;
        reporter.notice(notice);
    }

    /// Adds what became of other files, and other records.
    pub(super) fn add(&mut self, other: Summary) {
        let Summary { compacted, already, changed, failed, left, interrupted, counts, bytes_in, bytes_out, written } =
            other;
        self.compacted += compacted;
        self.already += already;
        self.changed += changed;
        self.failed += failed;
        self.left += left;
        self.interrupted |= interrupted;
        self.counts.add_all(&counts);
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        self.written += written;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { compacted, already, changed, failed, left, .. } = self;
        writeln!(f, "files: {compacted} compacted, {already} already ingested, {failed} could not be read")?;
        if *changed > 0 {
            writeln!(f, "  left out, because they hold other bytes than before: {changed}")?;
        }
        if *left > 0 {
            writeln!(f, "  left to somebody else who works on them, or to the next run: {left}")?;
        }
        f.write_str(&terminal::describe(&self.counts))?;
        let (json, parquet) = (self.bytes_in as f64 / 1e6, self.bytes_out as f64 / 1e6);
        writeln!(f, "bytes: {json:.1} MB of JSON read, {parquet:.1} MB written in {} files", self.written)?;
        if self.interrupted {
            writeln!(f, "stopped before the end: the same command goes on from here")?;
        }
        Ok(())
    }
}
