//! A server of one test's own, which it may stop and start.

use super::server::Instance;
use super::supervisor::Word;
use crate::Error;
use crate::postmaster::answers;
use crate::server::ensure_database;
use crate::url::url;

/// A server for fault tests. Its address and its data stay the same over stops and starts; server and data
/// go when it is dropped, or with the process.
///
/// Commits survive every way of stopping it: the operating system stays up.
#[derive(Debug)]
pub struct FaultServer {
    instance: Instance,
}

impl FaultServer {
    /// A new, empty server, which answers. Errs as [`crate::PrivatePostgres::start`].
    pub async fn start() -> Result<FaultServer, Error> {
        let instance = Instance::prepare().await?;
        instance.start().await?;
        Ok(FaultServer { instance })
    }

    /// The address of a database, for sqlx and for libpq; the same before and after a restart.
    pub fn url(&self, database: &str) -> String {
        url(&self.instance.layout.socket_dir, database)
    }

    /// Makes a database of this name when there is none. Errs while the server is stopped.
    pub async fn ensure_database(&self, name: &str) -> Result<(), Error> {
        ensure_database(&self.instance.layout.socket_dir, name).await
    }

    /// Ends every session, writes a checkpoint, stops. Returns when the server is gone.
    pub async fn stop(&self) -> Result<(), Error> {
        self.instance.end(Word::FastStop).await
    }

    /// Ends every process at once, as a crash would; the next start recovers. Returns when the server is gone.
    pub async fn stop_immediate(&self) -> Result<(), Error> {
        self.instance.end(Word::ImmediateStop).await
    }

    /// `kill -9` of the main process. Returns when that one is gone; sessions notice a moment later.
    pub async fn kill(&self) -> Result<(), Error> {
        self.instance.end(Word::Kill).await
    }

    /// Starts the server again on the same data and address, after a fast stop if it still runs. Returns when
    /// it answers.
    pub async fn restart(&self) -> Result<(), Error> {
        if self.is_up().await {
            self.stop().await?;
        }
        self.instance.start().await
    }

    /// Whether it answers now.
    pub async fn is_up(&self) -> bool {
        answers(&self.instance.layout.socket_dir).await
    }
}
