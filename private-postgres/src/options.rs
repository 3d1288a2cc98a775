//! What the caller chooses, and defaults that fit a laptop.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::run_as::RunAs;

/// Whose cache folder serves when none is named: a machine without Postgres fetches it once, for the program
/// and for its tests.
const HOME_APP: &str = "purser";

/// Where the server keeps its data and how it runs. Start from [`Options::new`] or [`Options::at`] and
/// change fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The data directory. The lock, the log and (if its path is short enough) the socket stand beside it,
    /// under the same name with `.lock`, `.log` and `.socket` at the end.
    pub data_dir: PathBuf,
    /// Where the npm package goes, when one is needed.
    pub cache_dir: PathBuf,
    /// Whether a commit survives a power cut (`fsync` and its kin). Off is for tests; commits then still
    /// survive every end of the server's processes.
    pub durable: bool,
    /// Whether npm may fetch a package when nothing is installed.
    pub install: bool,
    /// As Postgres writes it: `128MB`.
    pub shared_buffers: String,
    /// Connections at once; Postgres keeps three of them for superusers, which all ours are.
    pub max_connections: u32,
    /// How much write-ahead log may gather between checkpoints, as Postgres writes it: `2GB`.
    pub max_wal_size: String,
    /// More settings (`name`, `value`), which win over the ones above.
    pub settings: Vec<(String, String)>,
    /// How long the server may take until it answers. Recovery after a crash counts.
    pub start_timeout: Duration,
    /// Who hears of steps that take long.
    pub progress: Progress,
}

impl Options {
    /// A durable server in the default folders of `app`.
    pub fn new(app: &str) -> Options {
        Options {
            data_dir: default_data_dir(app),
            cache_dir: default_cache_dir(app),
            durable: true,
            install: true,
            shared_buffers: "128MB".to_owned(),
            max_connections: 120,
            max_wal_size: "2GB".to_owned(),
            settings: Vec::new(),
            start_timeout: Duration::from_secs(120),
            progress: Progress::default(),
        }
    }

    /// A durable server whose data stand in `data_dir`; fetches, if need be, into the cache of purser.
    pub fn at(data_dir: impl Into<PathBuf>) -> Options {
        Options { data_dir: data_dir.into(), ..Options::new(HOME_APP) }
    }
}

/// Hears, in a sentence for the user, of steps that take long: fetching a package, making a database.
/// The same sentences go to `tracing` at level info. The default is deaf.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Hear>>);

type Hear = dyn Fn(&str) + Send + Sync;

impl Progress {
    /// Calls `hear` before each long step.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(hear)))
    }

    pub(crate) fn say(&self, sentence: &str) {
        tracing::info!("{sentence}");
        if let Some(hear) = &self.0 {
            hear(sentence);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(heard)" } else { "Progress(deaf)" })
    }
}

/// The data directory of `app` when the user names none: `$XDG_DATA_HOME` or `~/.local/share`, then
/// `<app>/postgres`. Where the user who runs the server cannot get there (root's home), or where there is
/// no home: `/var/tmp/<app>-<uid>/postgres`.
pub fn default_data_dir(app: &str) -> PathBuf {
    default_dir(app, "XDG_DATA_HOME", ".local/share").join("postgres")
}

/// The cache folder of `app`: `$XDG_CACHE_HOME` or `~/.cache`, then `<app>`; else below `/var/tmp`, as
/// with [`default_data_dir`].
pub fn default_cache_dir(app: &str) -> PathBuf {
    let dir = default_dir(app, "XDG_CACHE_HOME", ".cache");
    if dir.starts_with("/var/tmp") { dir.join("cache") } else { dir }
}

fn default_dir(app: &str, variable: &str, below_home: &str) -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = absolute("HOME").filter(|home| home.is_dir()).map(|home| home.join(below_home));
    let uid = rustix::process::geteuid().as_raw();
    absolute(variable)
        .or(home)
        .map(|base| base.join(app))
        .filter(|dir| reachable(dir))
        .unwrap_or_else(|| Path::new("/var/tmp").join(format!("{app}-{uid}")))
}

fn reachable(dir: &Path) -> bool {
    RunAs::current().is_ok_and(|user| user.check_reach(dir).is_ok())
}
