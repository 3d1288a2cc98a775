//! What was found.

use serde::Serialize;

use crate::events::Difference;

/// The differences that are kept of one check; of more, only the number.
const KEPT: usize = 1000;

/// What a comparison has found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// One for each thing that was compared.
    pub checks: Vec<Checked>,
}

/// What was found of one thing.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The word for it.
    pub name: &'static str,
    /// How many differences there were that are mended by now.
    pub mended: u64,
    /// How many are left.
    pub left: u64,
    /// The first of them all.
    pub differences: Vec<Found>,
}

/// A difference, and whether it is gone.
#[derive(Debug, Serialize)]
pub struct Found {
    /// What differs.
    #[serde(flatten)]
    pub difference: Difference,
    /// It was mended.
    pub mended: bool,
}

impl Report {
    /// Whether no difference is left.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.checks.iter().all(|check| check.left == 0)
    }
}

impl Checked {
    /// No difference so far.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Checked { name, mended: 0, left: 0, differences: Vec::new() }
    }

    /// Adds differences that stay.
    pub fn left(&mut self, differences: Vec<Difference>) {
        self.left += differences.len() as u64;
        self.keep(differences, false);
    }

    pub(super) fn mended(&mut self, differences: Vec<Difference>) {
        self.mended += differences.len() as u64;
        self.keep(differences, true);
    }

    fn keep(&mut self, differences: Vec<Difference>, mended: bool) {
        let room = KEPT.saturating_sub(self.differences.len());
        self.differences.extend(differences.into_iter().take(room).map(|difference| Found { difference, mended }));
    }
}
