//! `purser serve`, `worker`, `api` and `migrate`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::config::{Config, DatabaseConfig};
use crate::database;
use crate::embedded::Embedded;
use crate::service::{Roles, Service};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Flags of `serve`, `worker` and `api`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Bring along what is not configured: a private Postgres, a Pub/Sub server
    #[arg(long)]
    embedded: bool,
    #[command(flatten)]
    config: Config,
}

pub(super) async fn run(args: Args, roles: Roles) -> anyhow::Result<()> {
    let Args { embedded, config } = args;
    let mut config = config.with_empty_unset();
    let shutdown = Shutdown::on_signals();
    let listener = listen(config.http.http_addr).await?;
    let parts = if embedded { Some(Embedded::start(&mut config).await?) } else { None };
    let service = Service::new(config, Arc::new(Metrics::default()), shutdown)?;
    let served = service.run(roles, listener).await;
    if let Some(parts) = parts {
        parts.stop().await?;
    }
    served
}

/// Listens for HTTP, or says what to set.
pub(super) async fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(addr).await;
    listener
        .with_context(|| format!("the HTTP service cannot use {addr}: set HTTP_ADDR (--http-addr) to another address"))
}

/// Flags of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct MigrateArgs {
    /// Let this role, which exists already, read the tables and views, without payloads, addresses, e-mails and
    /// telephone numbers; what else of them it could see it can see no more
    #[arg(long, value_name = "ROLE")]
    reader: Option<String>,
    #[command(flatten)]
    database: DatabaseConfig,
}

pub(super) async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    let pool = database::connect(args.database.url()?, 1)?;
    database::wait_until_it_answers(&pool, &Shutdown::on_signals()).await?;
    database::migrate(&pool).await?;
    tracing::info!("the schema is up to date");
    if let Some(role) = args.reader {
        let theirs = database::grant_reader(&pool, &role).await?;
        tracing::info!(role, "may read everything but personal data");
        if !theirs.is_empty() {
            tracing::warn!(tables = theirs.join(", "), "belong to another role, which alone can let a reader see them");
        }
    }
    Ok(())
}
