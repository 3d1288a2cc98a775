//! What is asked of a back-fill, and what became of it.

use super::progress::Counts;

/// What is done with a content that was ingested before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nothing.
    Skip,
    /// Every record is judged again; what is stored already is a duplicate. What is in the history is left out.
    Judge,
}

/// What became of the files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Read to the end, in this run.
    pub ingested: u64,
    /// Ingested before: not read again.
    pub already: u64,
    /// Hold other bytes than a file of this name did before, and events without an id of their own: those that
    /// both hold would count twice. Not read.
    pub changed: u64,
    /// Were to be judged again, but are in the history, or have views there whose ids are not known any more: those
    /// would be stored twice. Not read.
    pub elsewhere: u64,
    /// Could not be read.
    pub failed: u64,
    /// Told to stop before the last record was read.
    pub interrupted: bool,
    /// What became of the records.
    pub counts: Counts,
}
