//! How much of requests may be in memory.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{HttpIntake, Undecided};

/// Room in memory that a request's body takes up until all of its events are decided.
#[derive(Debug, Clone)]
pub struct Room(#[expect(dead_code, reason = "held until it is dropped")] Arc<Option<OwnedSemaphorePermit>>);

/// [`Room`] that grows with what has arrived, so that who only announces much takes none.
#[derive(Debug)]
pub struct GrowingRoom<'i> {
    pub(super) intake: &'i HttpIntake,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl GrowingRoom<'_> {
    /// Makes room for so many more bytes.
    ///
    /// # Errors
    /// [`Undecided::Full`] when too much is waiting already.
    pub fn add(&mut self, bytes: usize) -> Result<(), Undecided> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.intake.room).try_acquire_many_owned(permits).map_err(|_| Undecided::Full)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// All of it, now that everything has arrived.
    #[must_use]
    pub fn done(self) -> Room {
        Room(Arc::new(self.permit))
    }
}
