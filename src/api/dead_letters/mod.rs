//! What was rejected, why, and what is done about it.

mod filters;
mod groups;
mod records;
mod show;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::problem::Problem;
use crate::blob::Blob;
use crate::dead_letters::{Archive, Away, Interrupted, Replay, Status};
use crate::pipeline::Pipeline;
use crate::shutdown::Shutdown;

// The macro looks for what belongs to a handler beside it.
pub(super) use groups::*;
pub(super) use records::*;
pub(super) use show::*;
pub(super) use work::*;

/// Where dead letters are, and what tries them again. Clones share it.
#[derive(Clone)]
pub struct DeadLetters {
    pipeline: Pipeline,
    archive: Archive,
    /// Whatever is long takes connections to the database from all other requests.
    room: Arc<Semaphore>,
}

/// So many requests replay or discard at once.
const AT_ONCE: usize = 2;
/// How long one waits for its turn, and for its body.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("archive", &self.archive).finish_non_exhaustive()
    }
}

impl DeadLetters {
    /// Those of a pipeline, shipped to a blob store.
    #[must_use]
    pub fn new(pipeline: Pipeline, blob: Blob) -> Self {
        let archive = Archive { pool: pipeline.pool.clone(), blob };
        DeadLetters { pipeline, archive, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn room(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = timeout(PATIENCE, Arc::clone(&self.room).acquire_owned()).await;
        let busy = || {
            let detail = "too many requests replay or discard dead letters at the moment";
            Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        turn.ok().and_then(Result::ok).ok_or_else(busy)
    }

    fn replay(&self, shutdown: Shutdown, dry_run: bool) -> Replay {
        let mut pipeline = if dry_run { self.pipeline.clone().dry_run() } else { self.pipeline.clone() };
        pipeline.shutdown = shutdown;
        Replay { pipeline, archive: self.archive.clone(), becomes: Status::Replayed }
    }
}

impl From<Away> for Problem {
    fn from(away: Away) -> Self {
        match away {
            Away::Database(error) => error.into(),
            Away::Blob(error) => {
                tracing::error!(%error, "the blob store did not answer");
                let detail = "the blob store, which has the record, does not answer at the moment";
                Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        }
    }
}

impl From<Interrupted> for Problem {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Away(away) => away.into(),
            Interrupted::Stopped(_) => {
                let detail = "the service is stopping; what was decided stays so: the same request goes on from there";
                Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        }
    }
}
