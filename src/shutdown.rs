//! Stopping, as a value that is passed in: first softly (take nothing more in, finish what is in
//! flight), then hard (give up; what was not committed is delivered again).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The process was told to give up before the work was done.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped before it was done")]
pub struct Stopped;

/// The two stages of stopping. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// How long what is in flight may take after the first signal.
    pub const GRACE: Duration = Duration::from_secs(25);

    /// Stops on the first of Ctrl-C and SIGTERM, hard on the second or after the grace.
    #[must_use]
    pub fn on_signals() -> Self {
        let shutdown = Shutdown::default();
        let stages = shutdown.clone();
        tokio::spawn(async move {
            signal().await;
            tracing::info!("stopping: finishing what is in flight (again to give up)");
            stages.soft.cancel();
            // One Ctrl-C may arrive twice: from the terminal, and passed on by a parent process.
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::select! {
                () = signal() => {}
                () = tokio::time::sleep(Shutdown::GRACE) => {}
            }
            stages.hard.cancel();
        });
        shutdown
    }

    /// Begins to stop softly, and gives up after the grace. Only within a tokio runtime.
    pub fn stop(&self) {
        if self.soft.is_cancelled() {
            return;
        }
        self.soft.cancel();
        let hard = self.hard.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Shutdown::GRACE).await;
            hard.cancel();
        });
    }

    /// Gives up.
    pub fn give_up(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// One that stops with this one, and may be stopped before it.
    #[must_use]
    pub fn child(&self) -> Self {
        Shutdown { soft: self.soft.child_token(), hard: self.hard.child_token() }
    }

    /// Cancelled once nothing more is to be taken in.
    #[must_use]
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled once work in flight is to be given up.
    #[must_use]
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Runs to the end, unless the process gives up first.
    ///
    /// # Errors
    /// When it did.
    pub async fn unless_given_up<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        self.hard.run_until_cancelled(work).await.ok_or(Stopped)
    }
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
