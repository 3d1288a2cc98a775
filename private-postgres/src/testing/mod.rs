//! Postgres for tests: one server per test process, a database per test, and nothing left behind.
//!
//! The server starts with the first test that asks, from a cached `initdb`, with durability off. A small
//! shell stands between: it sees the end of the test process, however it ends (passed, failed, aborted,
//! killed), stops the server and removes its folder.
//!
//! Only addresses and processes are kept in statics, never connections: these belong to the runtime that
//! made them, and `#[tokio::test]` makes one per test.
//!
//! ```no_run
//! # async fn test() {
//! let database = private_postgres::testing::database().await;
//! let pool = sqlx::PgPool::connect(database.url()).await;
//! # drop(pool);
//! # }
//! ```

mod database;
mod fault;
mod server;
mod supervisor;
mod template;

use std::fmt::Display;

pub use database::TestDatabase;
pub use fault::FaultServer;
pub use server::TestServer;

/// A fresh, empty database on the server of this test process. Panics, with the reason, when there is no
/// Postgres to be had: no test can go on without.
pub async fn database() -> TestDatabase {
    let made = async { TestServer::shared().await?.database().await };
    or_panic(made.await)
}

/// A fresh copy of the database `template`, which the first caller in this process makes by running
/// `prepare` on an empty one (migrations, say). Panics as [`database`] does, and when `prepare` fails.
///
/// Connections that `prepare` opened must be closed when it returns.
pub async fn database_with<Prepare, Done, E>(template: &str, prepare: Prepare) -> TestDatabase
where
    Prepare: FnOnce(String) -> Done,
    Done: Future<Output = Result<(), E>>,
    E: Display,
{
    let made = async { TestServer::shared().await?.database_with(template, prepare).await };
    or_panic(made.await)
}

#[expect(clippy::panic, reason = "for tests only: what a test cannot go on without may end it")]
fn or_panic(made: Result<TestDatabase, crate::Error>) -> TestDatabase {
    made.unwrap_or_else(|error| panic!("no test database: {error}"))
}
