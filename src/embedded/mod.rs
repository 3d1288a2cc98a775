//! The parts that the program can bring along: a private Postgres and a Pub/Sub server.

use anyhow::Context as _;
use private_postgres::{Options, PrivatePostgres};
use pubsub_server::Server;

use crate::config::Config;
use crate::database;
use crate::secret::Secret;

/// The name of the database in the private Postgres.
const DATABASE: &str = "purser";
/// The name that the folders of the private Postgres are made from.
const APP: &str = "purser";

/// The embedded parts of a process. They end with [`Embedded::stop`].
pub struct Embedded {
    postgres: Option<PrivatePostgres>,
    pubsub: Option<Server>,
}

impl Embedded {
    /// Starts what is not configured, migrates a private database, and completes the configuration.
    ///
    /// # Errors
    /// When a part cannot be had or its address is taken; says what to set.
    pub async fn start(config: &mut Config) -> anyhow::Result<Self> {
        let pubsub = match config.pubsub.pubsub_emulator_host {
            Some(_) => None,
            None => Some(start_pubsub(config).await?),
        };
        let postgres = match config.database.database_url {
            Some(_) => None,
            None => Some(start_postgres(config).await?),
        };
        if let Some(server) = &pubsub {
            config.pubsub.pubsub_emulator_host = Some(server.addr().to_string());
        }
        if let Some(postgres) = &postgres {
            config.database.database_url = Some(Secret::from(postgres.url(DATABASE)));
        }
        Ok(Embedded { postgres, pubsub })
    }

    /// The line that opens the private database in `psql`.
    #[must_use]
    pub fn psql_command(&self) -> Option<String> {
        self.postgres.as_ref().map(|postgres| postgres.psql_command(DATABASE))
    }

    /// Messages that the embedded server has and that nobody has acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.pubsub.as_ref().map_or(0, |server| {
            let stats = server.stats();
            stats.backlog + stats.outstanding
        })
    }

    /// Stops everything. What was committed stays.
    ///
    /// # Errors
    /// When Postgres does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(server) = self.pubsub {
            server.shutdown().await;
        }
        match self.postgres {
            Some(postgres) => postgres.stop().await.context("the private Postgres does not stop"),
            None => Ok(()),
        }
    }
}

/// Removes the data of the private Postgres.
///
/// # Errors
/// When another program is using them.
pub async fn erase_postgres(config: &Config) -> anyhow::Result<()> {
    Ok(PrivatePostgres::erase(&options(config)).await?)
}

async fn start_pubsub(config: &Config) -> anyhow::Result<Server> {
    let addr = config.embedded.embedded_pubsub_addr;
    let server = Server::start(pubsub_server::Config { addr, ..pubsub_server::Config::default() }).await;
    server.with_context(|| {
        format!("the embedded Pub/Sub server cannot use {addr}: set EMBEDDED_PUBSUB_ADDR (--embedded-pubsub-addr) to another address")
    })
}

async fn start_postgres(config: &Config) -> anyhow::Result<PrivatePostgres> {
    let postgres = PrivatePostgres::start(options(config)).await?;
    postgres.ensure_database(DATABASE).await?;
    let pool = database::connect(&postgres.url(DATABASE), 1)?;
    database::migrate(&pool).await?;
    pool.close().await;
    Ok(postgres)
}

fn options(config: &Config) -> Options {
    let mut options = Options::new(APP);
    if let Some(folder) = &config.embedded.embedded_pg_dir {
        options.data_dir.clone_from(folder);
    }
    options.shared_buffers = "256MB".to_owned();
    options
}
