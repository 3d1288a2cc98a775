//! The running server, as its user sees it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::layout::Layout;
use crate::ownership::{Ownership, claim, left_over, try_lock};
use crate::postmaster::{Postmaster, connect, launch, signal, stop, until_gone};
use crate::run_as::RunAs;
use crate::url::USER;
use crate::{Error, Options, cluster, find, url};

/// A Postgres server of our own, which answers.
///
/// [`stop`](PrivatePostgres::stop) it at the end. Dropping it instead tells an owned server to stop, without
/// waiting until it has. After a crash of this process the server runs on and the next
/// [`start`](PrivatePostgres::start) takes it over.
#[derive(Debug)]
pub struct PrivatePostgres {
    layout: Layout,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// We started it.
    Started { server: Postmaster, _lock: File },
    /// A crashed owner left it to us.
    Adopted { pid: i32, _lock: File },
    /// Another program's.
    Guest,
}

impl PrivatePostgres {
    /// Attaches to the server of the data directory, or starts one, as the [crate documentation](crate)
    /// says; returns when it answers. Dropping the future on the way leaves no half-made data directory.
    ///
    /// Errs when no Postgres can be had, when the folders cannot be used, or when the server does not come
    /// up; every error's text is meant for the user.
    pub async fn start(options: Options) -> Result<PrivatePostgres, Error> {
        let run_as = RunAs::current()?;
        let layout = Layout::prepare(&options.data_dir, &run_as)?;
        let hold = match claim(&layout, options.start_timeout).await? {
            Ownership::Guest => Hold::Guest,
            Ownership::Owner(lock) => own(lock, &layout, &options, &run_as).await?,
        };
        tracing::debug!(data = %layout.data.display(), ?hold, "private Postgres answers");
        Ok(PrivatePostgres { layout, hold })
    }

    /// Stops a server left over from a crash and removes the data directory, so that the next start makes a
    /// new one. Errs when another program is using it, or when the folder cannot be removed; a data
    /// directory that is not there is fine. A folder that holds something else is left alone and is an error.
    pub async fn erase(options: &Options) -> Result<(), Error> {
        let run_as = RunAs::current()?;
        let layout = Layout::prepare(&options.data_dir, &run_as)?;
        let Some(_lock) = try_lock(&layout)? else {
            return Err(Error::InUse { dir: layout.data });
        };
        cluster::made_by(&layout.data)?;
        if let Some(pid) = left_over(&layout, options.start_timeout).await {
            stop(pid, until_gone(pid, &layout.pid_file())).await?;
        }
        cluster::remove(&layout.unfinished)?;
        cluster::remove(&layout.data)
    }

    /// Makes a database of this name when there is none. Two callers at once both succeed.
    pub async fn ensure_database(&self, name: &str) -> Result<(), Error> {
        ensure_database(&self.layout.socket_dir, name).await
    }

    /// The address of a database, for sqlx and for libpq.
    pub fn url(&self, database: &str) -> String {
        url::url(&self.layout.socket_dir, database)
    }

    /// The line that a user can paste into a shell to look inside.
    pub fn psql_command(&self, database: &str) -> String {
        url::psql_command(&self.layout.socket_dir, database)
    }

    /// Where the data stand.
    pub fn data_dir(&self) -> &Path {
        &self.layout.data
    }

    /// What the server says, newest last.
    pub fn log_file(&self) -> &Path {
        &self.layout.log
    }

    /// The folder of the socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.layout.socket_dir.clone()
    }

    /// Whether [`stop`](PrivatePostgres::stop) will stop the server: false for a guest of another program.
    pub fn is_owner(&self) -> bool {
        !matches!(self.hold, Hold::Guest)
    }

    /// Ends every session and stops the server; what was committed stays. Returns when it is gone. A guest
    /// leaves the server running. Errs when the server does not stop within about a minute.
    pub async fn stop(mut self) -> Result<(), Error> {
        match &mut self.hold {
            Hold::Guest => Ok(()),
            Hold::Started { server, .. } => server.stop().await,
            Hold::Adopted { pid, .. } if is_server(&self.layout, *pid) => {
                stop(*pid, until_gone(*pid, &self.layout.pid_file())).await
            }
            Hold::Adopted { .. } => Ok(()),
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if let Hold::Adopted { pid, .. } = self.hold
            && is_server(&self.layout, pid)
        {
            signal(pid, Signal::INT);
        }
    }
}

/// Whether the process is still the server; somebody else's may have got the number by now.
fn is_server(layout: &Layout, pid: i32) -> bool {
    layout.pid() == Some(pid)
}

async fn own(lock: File, layout: &Layout, options: &Options, run_as: &RunAs) -> Result<Hold, Error> {
    if let Some(pid) = left_over(layout, options.start_timeout).await {
        return Ok(Hold::Adopted { pid, _lock: lock });
    }
    let made_by = cluster::made_by(&layout.data)?;
    let binaries = find::binaries(made_by, options, run_as).await?;
    if made_by.is_none() {
        let sentence = format!("making a database in {} (PostgreSQL {})", layout.data.display(), binaries.version);
        options.progress.say(&sentence);
        cluster::make(&binaries, layout, run_as, options.durable).await?;
    }
    let server = launch(&binaries, layout, run_as, options).await?;
    Ok(Hold::Started { server, _lock: lock })
}

pub(crate) async fn ensure_database(socket_dir: &Path, name: &str) -> Result<(), Error> {
    let mut connection = connect(socket_dir, USER).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .map_err(Error::database(name))?;
    if !there {
        let statement = format!("CREATE DATABASE {}", quoted(name));
        let made = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        made.map(drop).or_else(unless_made_meanwhile).map_err(Error::database(name))?;
    }
    connection.close().await.map_err(Error::database(name))
}

fn unless_made_meanwhile(error: sqlx::Error) -> Result<(), sqlx::Error> {
    // duplicate_database, or unique_violation when both are at the same step.
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if matches!(code.as_deref(), Some("42P04" | "23505")) { Ok(()) } else { Err(error) }
}

/// A name as SQL writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
