//! What the tests share.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use private_postgres::{Options, PrivatePostgres};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A folder that the server user can enter, also when root runs the tests.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pg-it-").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    folder
}

pub(crate) fn options(data: &Path) -> Options {
    let mut options = Options::at(data);
    options.durable = false;
    options
}

pub(crate) async fn start(data: &Path) -> PrivatePostgres {
    PrivatePostgres::start(options(data)).await.unwrap()
}

/// Of the server on a data directory.
pub(crate) fn pid(data: &Path) -> i32 {
    fs::read_to_string(data.join("postmaster.pid")).unwrap().lines().next().unwrap().parse().unwrap()
}

/// A process that has ended but that nobody has asked about yet (the first process of some containers does
/// not) counts as gone.
pub(crate) fn is_alive(pid: i32) -> bool {
    let ended = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    !ended && test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

pub(crate) fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Awaits what nobody announces; a test that waits in vain fails after half a minute.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < give_up, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Adds a row and says how many there are.
pub(crate) async fn add_row(url: &str) -> i64 {
    let mut connection = connect(url).await;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS t (id int); INSERT INTO t VALUES (1)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut connection).await.unwrap()
}

/// Runs one of the `child_…` tests of this binary in a process of its own.
pub(crate) fn run_child(name: &str, argument: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("PRIVATE_POSTGRES_TEST", argument)
        .output()
        .unwrap()
}

/// What such a child is told.
pub(crate) fn argument() -> String {
    std::env::var("PRIVATE_POSTGRES_TEST").unwrap()
}
