//! The server process: its settings, starting it, asking whether it answers, stopping it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::error::last_lines;
use crate::layout::{Layout, PORT};
use crate::lookup::Binaries;
use crate::run_as::RunAs;
use crate::url::USER;
use crate::{Error, Options};

/// Between two looks at something that cannot be awaited.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// After a kill -9 of the server its children take a moment to go, and hold the data directory until then.
const STALE: Duration = Duration::from_secs(10);

/// A fast shutdown writes a checkpoint first.
const FAST_STOP: Duration = Duration::from_secs(60);
const IMMEDIATE_STOP: Duration = Duration::from_secs(10);

/// Beyond this a log starts over.
const LONGEST_LOG: u64 = 16 << 20;

/// The arguments of `postgres`.
pub(crate) fn arguments(data: &Path, socket_dir: &Path, options: &Options) -> Vec<String> {
    let mut settings = vec![
        ("listen_addresses".to_owned(), String::new()),
        (
            "unix_socket_directories".to_owned(),
            format!("\"{}\"", socket_dir.display().to_string().replace('"', "\"\"")),
        ),
        ("port".to_owned(), PORT.to_string()),
        ("max_connections".to_owned(), options.max_connections.to_string()),
        ("shared_buffers".to_owned(), options.shared_buffers.clone()),
        ("max_wal_size".to_owned(), options.max_wal_size.clone()),
        ("timezone".to_owned(), "UTC".to_owned()),
        ("log_timezone".to_owned(), "UTC".to_owned()),
        ("logging_collector".to_owned(), "off".to_owned()),
    ];
    if !options.durable {
        // Not synchronous_commit: without it, a kill of the server loses what was committed just before.
        settings.extend(["fsync", "full_page_writes"].map(|name| (name.to_owned(), "off".to_owned())));
    }
    settings.extend(options.settings.iter().cloned());
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    arguments.extend(settings.into_iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
    arguments
}

/// A server process that is our child. Dropping it tells it to stop, without waiting until it has.
#[derive(Debug)]
pub(crate) struct Postmaster(Child);

impl Postmaster {
    /// While it runs.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.0.id().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        // That it is gone matters, not how it ended.
        stop(pid, async { drop(self.0.wait().await) }).await
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        // Has it ended by itself, then its number may be another process's by now.
        if let (Ok(None), Some(pid)) = (self.0.try_wait(), self.pid()) {
            signal(pid, Signal::INT);
        }
    }
}

/// Starts the server and waits until it answers.
pub(crate) async fn launch(
    binaries: &Binaries,
    layout: &Layout,
    run_as: &RunAs,
    options: &Options,
) -> Result<Postmaster, Error> {
    run_as.make_private(&layout.socket_dir)?;
    let stale_until = Instant::now() + STALE;
    loop {
        let log = open_log(&layout.log)?;
        let before = log.metadata().map_or(0, |found| found.len());
        let mut child = spawn(binaries, layout, run_as, options, log)?;
        let Err(why) = until_ready(&mut child, layout, options.start_timeout).await else {
            return Ok(child);
        };
        let tail = log_since(&layout.log, before);
        let stale = tail.contains("postmaster.pid\" already exists") || tail.contains("is still in use");
        if !stale || Instant::now() > stale_until {
            return Err(Error::Start { why, log: layout.log.clone(), tail: last_lines(&tail, 12) });
        }
        sleep(TICK * 5).await;
    }
}

fn open_log(path: &Path) -> Result<File, Error> {
    let too_long = fs::metadata(path).is_ok_and(|found| found.len() > LONGEST_LOG);
    let mut open = OpenOptions::new();
    open.create(true).mode(0o600);
    let open = if too_long { open.write(true).truncate(true) } else { open.append(true) };
    open.open(path).map_err(Error::io("write to", path))
}

fn log_since(path: &Path, start: u64) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(0).min(bytes.len());
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}

fn spawn(
    binaries: &Binaries,
    layout: &Layout,
    run_as: &RunAs,
    options: &Options,
    log: File,
) -> Result<Postmaster, Error> {
    let also_log = log.try_clone().map_err(Error::io("write to", &layout.log))?;
    let mut command = run_as.command(&binaries.postgres());
    command.args(arguments(&layout.data, &layout.socket_dir, options));
    command.stdin(Stdio::null()).stdout(log).stderr(also_log);
    Command::from(command).spawn().map(Postmaster).map_err(Error::io("run", &binaries.postgres()))
}

/// Errs, in words, when the server ends or does not answer in time; in the latter case it is stopped.
async fn until_ready(server: &mut Postmaster, layout: &Layout, patience: Duration) -> Result<(), String> {
    let give_up = Instant::now() + patience;
    while Instant::now() < give_up {
        if answers(&layout.socket_dir).await {
            return Ok(());
        }
        match server.0.try_wait() {
            Ok(Some(status)) => return Err(format!("it ended ({status})")),
            Ok(None) => sleep(TICK).await,
            Err(error) => return Err(error.to_string()),
        }
    }
    let ended = server.stop().await.map_or_else(|error| format!("; {error}"), |()| String::new());
    Err(format!("it did not answer in {} s{ended}", patience.as_secs()))
}

/// How to log in to a server.
pub(crate) fn login(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(USER)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// A connection of its own, since pools do not outlive a runtime.
pub(crate) async fn connect(socket_dir: &Path, database: &str) -> Result<PgConnection, Error> {
    login(socket_dir, database).connect().await.map_err(Error::database(database))
}

/// Whether a server lets us in.
pub(crate) async fn answers(socket_dir: &Path) -> bool {
    matches!(timeout(Duration::from_secs(5), connect(socket_dir, USER)).await, Ok(Ok(_)))
}

/// Whether a process with this id is there.
pub(crate) fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Best effort: a process that is gone needs no signal.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Stops a server: fast, and after a minute at once; both keep what was committed. `gone` ends when it has.
pub(crate) async fn stop(pid: i32, gone: impl Future<Output = ()>) -> Result<(), Error> {
    tokio::pin!(gone);
    for (how, patience) in [(Signal::INT, FAST_STOP), (Signal::QUIT, IMMEDIATE_STOP)] {
        signal(pid, how);
        if timeout(patience, &mut gone).await.is_ok() {
            return Ok(());
        }
    }
    Err(Error::Stop { pid })
}

/// Ends when a server that is not our child has ended. A server's last act is to remove its lock files; its
/// process may be seen longer, where the first process of a container does not care for orphans.
pub(crate) async fn until_gone(pid: i32, lock_file: &Path) {
    while is_alive(pid) && lock_file.exists() {
        sleep(TICK).await;
    }
}
