//! A database per test.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::server::short_id;
use crate::Error;
use crate::postmaster::connect;
use crate::server::quoted;
use crate::url::{USER, url};

/// A database of one test. When dropped, it is removed in the background, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    socket_dir: PathBuf,
}

impl TestDatabase {
    /// The address, for sqlx and for libpq.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name; random.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn create(socket_dir: &Path, template: &str) -> Result<TestDatabase, Error> {
        let name = format!("test_{}", short_id());
        let statement = format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(template));
        run(socket_dir, &name, &[statement]).await?;
        Ok(TestDatabase { url: url(socket_dir, &name), name, socket_dir: socket_dir.to_owned() })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Best effort: the server goes with the process anyway.
        let _ = janitor().send((self.socket_dir.clone(), std::mem::take(&mut self.name)));
    }
}

/// One thread removes what tests have done with, so that they do not wait for it.
fn janitor() -> &'static Sender<(PathBuf, String)> {
    static JANITOR: OnceLock<Sender<(PathBuf, String)>> = OnceLock::new();
    JANITOR.get_or_init(|| {
        let (sender, done_with) = channel::<(PathBuf, String)>();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            for (socket_dir, name) in done_with {
                let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
                // Best effort, as above.
                let _ = runtime.block_on(run(&socket_dir, &name, &[statement]));
            }
        });
        sender
    })
}

/// Makes the database that others are copied from; gives its name.
pub(crate) async fn prepare_template<Prepare, Done, E>(
    socket_dir: &Path,
    template: &str,
    prepare: Prepare,
) -> Result<String, Error>
where
    Prepare: FnOnce(String) -> Done,
    Done: Future<Output = Result<(), E>>,
    E: Display,
{
    let name = format!("template_{}", short_id());
    run(socket_dir, &name, &[format!("CREATE DATABASE {}", quoted(&name))]).await?;
    prepare(url(socket_dir, &name))
        .await
        .map_err(|error| Error::Supervisor(format!("preparing the template `{template}`: {error}")))?;
    // No copy can be made while somebody is connected: nobody comes in any more, whoever is in must go.
    let close = format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", quoted(&name));
    let leave = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    run(socket_dir, &name, &[close, leave]).await?;
    Ok(name)
}

/// From outside the database concerned.
async fn run(socket_dir: &Path, database: &str, statements: &[String]) -> Result<(), Error> {
    let mut connection: PgConnection = connect(socket_dir, USER).await?;
    for statement in statements {
        let sql = AssertSqlSafe(statement.clone());
        sqlx::raw_sql(sql).execute(&mut connection).await.map_err(Error::database(database))?;
    }
    connection.close().await.map_err(Error::database(database))
}
