//! The connection to Postgres and the version of its schema.

mod frozen;
mod pages;
mod reader;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::config::DatabaseConfig;
use crate::shutdown::Shutdown;

pub use frozen::end_frozen_sessions;
pub(crate) use pages::{PAGES, size};
pub use pages::{Run, ended_before, find_in_pages, in_pages};
pub use reader::grant_reader;

/// What the sessions of processes that decide events are called.
const APPLICATION_NAME: &str = "purser";
const STATEMENT_TIMEOUT: &str = "30s";

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What every session is told. A frozen worker must not block, for ever, the one that got its
/// redeliveries; a half-open connection must be noticed on both sides.
const SESSION: [(&str, &str); 7] = [
    // "… already exists, skipping" is no news.
    ("client_min_messages", "warning"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "10s"),
    ("statement_timeout", STATEMENT_TIMEOUT),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// Opens a pool that connects when it is first used.
///
/// # Errors
/// When `url` is not a Postgres URL. That the server is away is no error here.
pub fn connect(url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let options = options(url).context("DATABASE_URL is not the address of a Postgres database")?;
    let options = options.application_name(APPLICATION_NAME).options(SESSION);
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(5));
    Ok(pool.connect_lazy_with(options))
}

fn options(url: &str) -> sqlx::Result<PgConnectOptions> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(sqlx::Error::Configuration("it begins with neither postgres:// nor postgresql://".into()));
    }
    url.parse()
}

/// Opens the configured database for a command that needs this program's own schema.
///
/// # Errors
/// When none is configured, it cannot be asked, or its schema is another.
pub async fn open(config: &DatabaseConfig) -> anyhow::Result<PgPool> {
    let pool = connect(config.url()?, config.database_connections)?;
    require_current_schema(&pool).await?;
    Ok(pool)
}

/// Brings the schema up to date. Several processes may do so at once.
///
/// # Errors
/// When the database cannot be reached or a migration fails; none is left half done.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::raw_sql("SET lock_timeout = 0; SET statement_timeout = 0").execute(&mut *conn).await?;
    MIGRATIONS.run(&mut *conn).await?;
    conn.close().await?;
    Ok(())
}

/// How the schema of the database compares with the one that this program was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// The same.
    Current,
    /// `purser migrate` brings it up to date.
    Older,
    /// It was migrated by a newer program.
    Newer,
}

/// Compares the schemas.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema(pool: &PgPool) -> anyhow::Result<Schema> {
    let table: &str = &MIGRATIONS.table_name;
    let migrated: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(pool).await?;
    let applied: Option<i64> = match migrated {
        true => sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(pool).await?,
        false => None,
    };
    let ours = MIGRATIONS.iter().map(|migration| migration.version).max();
    Ok(match applied.cmp(&ours) {
        std::cmp::Ordering::Equal => Schema::Current,
        std::cmp::Ordering::Less => Schema::Older,
        std::cmp::Ordering::Greater => Schema::Newer,
    })
}

/// Refuses a schema that is not this program's own.
///
/// # Errors
/// Says what to do about it, or that the database cannot be asked.
pub async fn require_current_schema(pool: &PgPool) -> anyhow::Result<()> {
    match schema(pool).await? {
        Schema::Current => Ok(()),
        Schema::Older => anyhow::bail!("the database's schema is older than this program: run `purser migrate` first"),
        Schema::Newer => anyhow::bail!("the database's schema is newer than this program: run a newer purser"),
    }
}

/// Waits until the database answers.
///
/// # Errors
/// When the process is told to stop before it does, or when the answer is that there is no such database
/// or user, which no waiting changes.
pub async fn wait_until_it_answers(pool: &PgPool, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut said = false;
    while let Err(error) = PgConnection::connect_with(&pool.connect_options()).await {
        if is_our_mistake(&error) {
            return Err(error).context("DATABASE_URL does not open a database");
        }
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(%error, "waiting for Postgres");
        }
        let pause = tokio::time::sleep(Duration::from_secs(1));
        shutdown.soft().run_until_cancelled(pause).await.context("stopped before Postgres answered")?;
    }
    Ok(())
}

/// Wrong credentials, no such database.
fn is_our_mistake(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["28000", "28P01", "3D000"].contains(&&*code))
}
