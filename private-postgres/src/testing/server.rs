//! A server for tests, under its supervisor, and the one that all tests of a process share.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;
use uuid::Uuid;

use super::database::{self, TestDatabase};
use super::supervisor::{Supervisor, Word};
use super::template;
use crate::error::last_lines;
use crate::layout::Layout;
use crate::postmaster::{TICK, answers};
use crate::run_as::RunAs;
use crate::{Error, Options, find};

/// A loaded machine with two cores runs many tests at once.
const PATIENCE: Duration = Duration::from_secs(60);

static SHARED: OnceCell<TestServer> = OnceCell::const_new();

/// The server that all tests of this process share.
#[derive(Debug)]
pub struct TestServer {
    instance: Instance,
    /// One cell per template: the first caller fills it, the others wait.
    templates: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
}

impl TestServer {
    /// Started by the first caller; gone when the process is. Errs as [`crate::PrivatePostgres::start`].
    pub async fn shared() -> Result<&'static TestServer, Error> {
        SHARED
            .get_or_try_init(|| async {
                let instance = Instance::prepare().await?;
                instance.start().await?;
                Ok(TestServer { instance, templates: Mutex::default() })
            })
            .await
    }

    /// A fresh, empty database.
    pub async fn database(&self) -> Result<TestDatabase, Error> {
        TestDatabase::create(&self.instance.layout.socket_dir, "template1").await
    }

    /// A fresh copy of the database `template`, which the first caller makes by running `prepare` on an empty
    /// one. When `prepare` fails, its caller gets the error and the next caller tries again.
    pub async fn database_with<Prepare, Done, E>(&self, template: &str, prepare: Prepare) -> Result<TestDatabase, Error>
    where
        Prepare: FnOnce(String) -> Done,
        Done: Future<Output = Result<(), E>>,
        E: Display,
    {
        let socket_dir = &self.instance.layout.socket_dir;
        let cell = Arc::clone(self.templates.lock().await.entry(template.to_owned()).or_default());
        let source = cell.get_or_try_init(|| database::prepare_template(socket_dir, template, prepare)).await?;
        TestDatabase::create(socket_dir, source).await
    }
}

/// A server in a folder of its own below the temporary one, which both go with this process.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) layout: Layout,
    supervisor: Supervisor,
}

impl Instance {
    /// All but started.
    pub(crate) async fn prepare() -> Result<Instance, Error> {
        let run_as = RunAs::current()?;
        let root = temporary(&run_as).join(format!("pg-test-{}", short_id()));
        let layout = Layout::of(root.join("data"), run_as.uid());
        let options = options(&layout.data);
        let binaries = find::binaries(None, &options, &run_as).await?;
        run_as.make_private(&root)?;
        let supervisor = Supervisor::spawn(&root, &layout, &binaries, &run_as, &options)?;
        run_as.make_private(&layout.socket_dir)?;
        template::copy_to(&layout.data, &options.cache_dir, &binaries, &run_as).await?;
        Ok(Instance { layout, supervisor })
    }

    /// Starts the server and returns when it answers.
    pub(crate) async fn start(&self) -> Result<(), Error> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let before = self.log().len();
            self.supervisor.tell(Word::Start).await?;
            let Err((why, tail)) = self.until_ready(before, give_up).await else {
                return Ok(());
            };
            self.supervisor.tell(Word::ImmediateStop).await?;
            // A killed server's children hold the data directory until they are gone.
            let stale = tail.contains("already exists") || tail.contains("is still in use");
            if !stale || Instant::now() > give_up {
                return Err(Error::Start { why, log: self.layout.log.clone(), tail });
            }
        }
    }

    /// Returns when the server is gone.
    pub(crate) async fn end(&self, how: Word) -> Result<(), Error> {
        self.supervisor.tell(how).await
    }

    async fn until_ready(&self, before: usize, give_up: Instant) -> Result<(), (String, String)> {
        while !answers(&self.layout.socket_dir).await {
            let log = self.log();
            let since = log.get(before..).unwrap_or_default();
            // The shell has the exit status; the log says it as well. That it is not up yet, is said to us.
            let ended = since.lines().any(|line| line.contains("FATAL:") && !line.contains("the database system is"));
            if ended || Instant::now() > give_up {
                let why = if ended { "it ended" } else { "it did not answer in time" };
                return Err((why.to_owned(), last_lines(since, 12)));
            }
            sleep(TICK).await;
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read(&self.layout.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

fn options(data: &Path) -> Options {
    Options {
        durable: false,
        // A pool per test, many tests at once.
        max_connections: 300,
        ..Options::at(data)
    }
}

/// The temporary folder, unless the server user cannot get there or its name is too long for a socket.
fn temporary(run_as: &RunAs) -> PathBuf {
    let usual = std::env::temp_dir();
    let fits = usual.as_os_str().len() < 40 && run_as.check_reach(&usual).is_ok();
    if fits { usual } else { PathBuf::from("/var/tmp") }
}

pub(crate) fn short_id() -> String {
    Uuid::new_v4().simple().to_string().split_off(20)
}
