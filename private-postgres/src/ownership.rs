//! Who owns the server of a data directory, and whether one runs already.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::Error;
use crate::layout::Layout;
use crate::postmaster::{TICK, answers, is_alive, signal, until_gone};

/// What a program may do with the server.
pub(crate) enum Ownership {
    /// Start and stop it, for as long as the lock is held.
    Owner(File),
    /// Use it while its owner lets it run.
    Guest,
}

/// Takes the lock. When another program has it, waits until that one's server answers, or until the lock
/// is free, whichever comes first.
pub(crate) async fn claim(layout: &Layout, patience: Duration) -> Result<Ownership, Error> {
    let give_up = Instant::now() + patience;
    while Instant::now() < give_up {
        if let Some(lock) = try_lock(layout)? {
            return Ok(Ownership::Owner(lock));
        }
        if answers(&layout.socket_dir).await {
            return Ok(Ownership::Guest);
        }
        sleep(TICK).await;
    }
    Err(Error::InUse { dir: layout.data.clone() })
}

/// The lock, unless another program has it. It goes with the file handle, so no crash can leave it taken.
pub(crate) fn try_lock(layout: &Layout) -> Result<Option<File>, Error> {
    let mut open = OpenOptions::new();
    let file =
        open.create(true).append(true).mode(0o600).open(&layout.lock).map_err(Error::io("open", &layout.lock))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &layout.lock)(error)),
    }
}

/// The server that an earlier owner left running. To be called by the owner. One that is still starting, or
/// stopping, is waited for.
pub(crate) async fn left_over(layout: &Layout, patience: Duration) -> Option<i32> {
    let Some(pid) = layout.pid() else {
        end_orphan(layout).await;
        return None;
    };
    let give_up = Instant::now() + patience;
    while is_alive(pid) && listens(layout).await && Instant::now() < give_up {
        if answers(&layout.socket_dir).await {
            return Some(pid);
        }
        sleep(TICK).await;
    }
    None
}

/// Whether a process is behind the socket, in whatever state.
async fn listens(layout: &Layout) -> bool {
    UnixStream::connect(layout.socket()).await.is_ok()
}

/// A server whose data directory was removed under it still has the socket, for a minute or so until it
/// notices. Nothing is left to save there.
async fn end_orphan(layout: &Layout) {
    if let Some(pid) = layout.socket_pid()
        && listens(layout).await
    {
        tracing::warn!(pid, "ending a server whose data directory was removed");
        signal(pid, Signal::QUIT);
        until_gone(pid, &layout.socket_lock()).await;
    }
}
