//! Dead letters after their birth: from the database, where a rejecting transaction leaves them
//! (see [`crate::pipeline::dead_letter`]), to the blob store, where reviewers find them.

mod archive;
pub mod discard;
mod filter;
pub mod groups;
mod heal;
mod record;
pub mod records;
pub mod reindex;
mod replay;
mod segments;
mod ship;

pub use crate::pipeline::dead_letter::{CHANGE_SCHEMA, FOLDER, PAYLOADS, Status, close, end};
pub use archive::{Archive, Letter, Unreadable};
pub use filter::Filter;
pub use heal::heal_until_stopped;
pub use record::{Payload, Record};
pub use replay::{Interrupted, Replay, Replayed, Tally};
pub use ship::{Shipper, ship_until_stopped};

use crate::telemetry::Dependency;

/// Database or blob store do not answer. What was done by then stays done.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// The blob store did not take or give an object.
    #[error("the blob store does not work: {0}")]
    Blob(#[from] object_store::Error),
    /// The database could not be asked.
    #[error("postgres is unavailable: {0}")]
    Database(#[from] sqlx::Error),
}

impl Away {
    fn dependency(&self) -> Dependency {
        match self {
            Away::Blob(_) => Dependency::Blob,
            Away::Database(_) => Dependency::Postgres,
        }
    }
}
