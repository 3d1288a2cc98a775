//! Whether the books balance: everything that is derived is computed anew and compared with what stands there,
//! and what can be mended is mended. Both may be done while writers are at work.
//!
//! Each comparison is one statement: between two of them a writer may commit, and a difference would be seen
//! where there is none. What each kind derives it says itself, in [`crate::events::EventKind::DERIVED`]; here is
//! what all kinds have in common.

mod blobs;
mod compare;
mod history;
mod ledger;
mod rejections;
mod report;

use std::sync::Arc;

use sqlx::PgPool;

use crate::blob::Blob;
use crate::events::{Derived, KINDS};
use crate::shutdown::{Shutdown, Stopped};

pub(crate) use compare::REPAIR;
pub use report::{Checked, Found, Report};

/// Told where the comparison is.
pub trait Watcher: Send + Sync {
    /// It has come to this part.
    fn at(&self, check: &str, place: &str);
}

/// Compares, and mends.
#[derive(Clone)]
pub struct Verifier {
    /// What is compared.
    pub pool: PgPool,
    /// Where dead letters are; without it they are not looked at.
    pub blob: Option<Blob>,
    /// Mend what is derived.
    pub repair: bool,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Who is told how far it is.
    pub watcher: Arc<dyn Watcher>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    /// The database could not be asked.
    #[error("postgres is unavailable: {0}")]
    Database(#[from] sqlx::Error),
    /// The blob store could not be asked.
    #[error("the blob store does not work: {0}")]
    Blob(#[from] object_store::Error),
    /// The files of the history could not be looked at.
    #[error("the history at {url} cannot be compared: {reason:#}")]
    History {
        /// Where it is.
        url: String,
        /// Why not.
        reason: anyhow::Error,
    },
    /// The process was told to stop before everything was compared.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The words for what is compared, in the order in which it is.
#[must_use]
pub fn checks() -> Vec<&'static str> {
    let derived = all_derived().map(|derived| derived.name);
    [ledger::NAME].into_iter().chain(derived).chain([blobs::NAME, history::NAME]).collect()
}

/// Everything that is derived in the database.
pub fn all_derived() -> impl Iterator<Item = &'static Derived> {
    KINDS.iter().flat_map(|kind| kind.derived).chain(rejections::DERIVED)
}

impl Verifier {
    /// Compares everything, or only what these words name.
    ///
    /// # Errors
    /// When the comparison could not be brought to its end.
    pub async fn verify(&self, only: &[String]) -> Result<Report, Unverified> {
        let is_wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        let mut report = Report::default();
        if is_wanted(ledger::NAME) {
            report.checks.push(self.ledger().await?);
        }
        for derived in all_derived().filter(|derived| is_wanted(derived.name)) {
            report.checks.push(self.derived(derived).await?);
        }
        if let Some(blob) = self.blob.as_ref().filter(|_| is_wanted(blobs::NAME)) {
            report.checks.push(self.blobs(blob).await?);
        }
        if is_wanted(history::NAME) {
            report.checks.extend(self.history().await?);
        }
        Ok(report)
    }

    /// Between two statements: says where it is, or that it is to stop.
    fn go_on(&self, check: &str, place: &str) -> Result<(), Stopped> {
        self.watcher.at(check, place);
        if self.shutdown.soft().is_cancelled() { Err(Stopped) } else { Ok(()) }
    }
}
