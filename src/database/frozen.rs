//! Sessions of processes that froze in the middle of a statement.
//!
//! Postgres ends a transaction whose client says nothing between two statements. A client that has begun a
//! `COPY` and sends no rows, or does not take the answer to its statement, is not between two statements: no
//! timeout is looked at there, not even the `transaction_timeout` of Postgres 17 and later, and the keys that
//! the session holds are held until the client moves or dies. Whoever got its messages would wait as long.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::task::AbortOnDropHandle;

use super::{APPLICATION_NAME, STATEMENT_TIMEOUT};

/// How often they are looked for.
const PAUSE: Duration = Duration::from_secs(5);

/// A session that has written something, and has waited for its client beyond the `statement_timeout` of us all,
/// which would end it as soon as it moved: a healthy one is never among them. The reader of a long answer has
/// written nothing, and its client may take its time.
const END: &str = "
    WITH frozen AS MATERIALIZED (
        SELECT pid, wait_event, extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds
        FROM pg_stat_activity
        WHERE datname = current_database() AND usename = session_user AND application_name = $1
          AND state = 'active' AND wait_event IN ('ClientRead', 'ClientWrite') AND backend_xid IS NOT NULL
          AND query_start < clock_timestamp() - $2::interval
    )
    SELECT * FROM frozen WHERE pg_terminate_backend(pid)";

/// Ends such sessions, whichever process they are of, as long as the handle lives.
pub fn end_frozen_sessions(pool: PgPool) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Err(error) = end(&pool).await {
                tracing::debug!(%error, "could not look for frozen sessions");
            }
        }
    }))
}

async fn end(pool: &PgPool) -> sqlx::Result<()> {
    let frozen = sqlx::query_as(END).bind(APPLICATION_NAME).bind(STATEMENT_TIMEOUT);
    let ended: Vec<(i32, String, f64)> = frozen.fetch_all(pool).await?;
    for (session, waited_for, seconds) in ended {
        tracing::warn!(session, waited_for, seconds, "ended a session whose process is frozen; it decides again");
    }
    Ok(())
}
