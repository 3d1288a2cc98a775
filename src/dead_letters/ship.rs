//! The shipper: writes segments of dead letters, and of changes of their status, to the blob store, and lets
//! go of the payloads only when they are durable there. A blob store that is away delays shipping and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Away, segments};
use crate::blob::Blob;
use crate::health::Health;
use crate::pipeline::dead_letter::PAYLOADS;
use crate::shutdown::Shutdown;
use crate::telemetry::{Dependency, Metrics};

/// How often the outbox is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the shipper waits after something went wrong.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How often what waits is counted.
const COUNTING: Duration = Duration::from_secs(5);

/// Locks in the order of the ids, as everybody does. An older attempt does not take the place of a newer one.
const POINT: &str = "
    WITH durable AS (
        SELECT letter, attempt, segment, line FROM dead_letter_outbox WHERE segment = $1 AND attempt IS NOT NULL
    ), locked AS (
        SELECT letter.id, durable.segment, durable.line
        FROM dead_letters AS letter JOIN durable ON durable.letter = letter.id
        WHERE letter.attempt = durable.attempt
        ORDER BY letter.id FOR UPDATE OF letter
    )
    UPDATE dead_letters AS letter SET segment = locked.segment, line = locked.line
    FROM locked WHERE locked.id = letter.id";

/// Ships dead letters. Any number may run at once, in any number of processes.
#[derive(Clone)]
pub struct Shipper {
    /// Where dead letters are born.
    pub pool: PgPool,
    /// Where they go.
    pub blob: Blob,
    /// Told whether the blob store works.
    pub health: Health,
    /// Told how many were shipped.
    pub metrics: Arc<Metrics>,
}

/// Ships until the soft stop, whatever goes wrong in between.
pub async fn ship_until_stopped(shipper: Shipper, shutdown: Shutdown) {
    let (mut failing, mut blob_is_away, mut counted) = (false, false, None::<Instant>);
    loop {
        let pause = match shipper.ship().await {
            Ok(_) => {
                failing = false;
                if std::mem::take(&mut blob_is_away) {
                    shipper.metrics.outage_ended(Dependency::Blob);
                }
                shipper.health.works("blob", "dead letters");
                PAUSE
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "dead letters wait to be shipped");
                }
                shipper.metrics.retried(error.dependency());
                if let Away::Blob(_) = error {
                    if !std::mem::replace(&mut blob_is_away, true) {
                        shipper.metrics.outage_began(Dependency::Blob);
                    }
                    shipper.health.fails("blob", "dead letters", "wait: the blob store does not take them");
                }
                PAUSE_AFTER_FAILURE
            }
        };
        if counted.is_none_or(|at| at.elapsed() > COUNTING) {
            counted = Some(Instant::now());
            shipper.count_waiting().await;
        }
        if shutdown.soft().run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

impl Shipper {
    /// A shipper of a command: nobody asks how it is.
    #[must_use]
    pub fn unwatched(pool: PgPool, blob: Blob) -> Self {
        Shipper { pool, blob, health: Health::default(), metrics: Arc::default() }
    }

    /// What a command has left goes to the blob store at once: no worker need be running to ship it.
    pub async fn ship_now(&self) {
        if let Err(error) = self.ship().await {
            tracing::warn!(%error, "dead letters stay in the database until a worker ships them");
        }
    }

    /// For the metrics. While Postgres cannot be asked, what it last said stands.
    async fn count_waiting(&self) {
        let waiting: sqlx::Result<i64> =
            sqlx::query_scalar("SELECT count(*) FROM dead_letter_outbox").fetch_one(&self.pool).await;
        if let Ok(waiting) = waiting {
            self.metrics.dead_letters_waiting.set(waiting);
        }
    }

    /// Ships everything that waits, and says how many records that were.
    ///
    /// # Errors
    /// When the blob store or the database is away. What was shipped by then stays shipped.
    pub async fn ship(&self) -> Result<usize, Away> {
        let mut shipped = 0;
        loop {
            let assigned = segments::assign(&self.pool).await?;
            for (id, object) in self.unshipped().await? {
                shipped += self.ship_segment(id, &object).await?;
            }
            if assigned < segments::RECORDS {
                return Ok(shipped);
            }
        }
    }

    async fn unshipped(&self) -> sqlx::Result<Vec<(Uuid, String)>> {
        sqlx::query_as("SELECT id, object FROM dead_letter_segments WHERE shipped_at IS NULL ORDER BY created_at")
            .fetch_all(&self.pool)
            .await
    }

    /// Nobody else writes the object meanwhile, so that none is written again with what was taken out of it since.
    async fn ship_segment(&self, segment: Uuid, object: &str) -> Result<usize, Away> {
        let mut tx = self.pool.begin().await?;
        if !hold(&mut tx, segment).await? {
            return Ok(0);
        }
        let records = records(&mut tx, segment).await?;
        let mut lines = Vec::new();
        for (entry, record, has_payload) in &records {
            if *has_payload {
                self.ship_payload(&mut tx, *entry).await?;
            }
            lines.extend_from_slice(record);
            lines.push(b'\n');
        }
        self.blob.put(object, lines.into()).await?;
        let_go(&mut tx, segment).await?;
        tx.commit().await?;
        self.metrics.dead_letters_shipped.inc_by(records.len() as u64);
        Ok(records.len())
    }

    async fn ship_payload(&self, conn: &mut PgConnection, entry: Uuid) -> Result<(), Away> {
        let payload: Option<(Uuid, Vec<u8>)> =
            sqlx::query_as("SELECT letter, payload FROM dead_letter_outbox WHERE entry = $1")
                .bind(entry)
                .fetch_optional(conn)
                .await?;
        if let Some((letter, payload)) = payload {
            self.blob.put(&format!("{PAYLOADS}/{letter}"), Bytes::from(payload)).await?;
        }
        Ok(())
    }
}

/// Holds a segment until the transaction ends; `false` when another shipper does, or did.
async fn hold(conn: &mut PgConnection, segment: Uuid) -> sqlx::Result<bool> {
    // The blob store may take its time.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '5min'").execute(&mut *conn).await?;
    let lock = "SELECT FROM dead_letter_segments WHERE id = $1 AND shipped_at IS NULL FOR UPDATE SKIP LOCKED";
    Ok(sqlx::query(lock).bind(segment).fetch_optional(conn).await?.is_some())
}

/// The records of a segment: which entry, its bytes, and whether it has a payload apart.
async fn records(conn: &mut PgConnection, segment: Uuid) -> sqlx::Result<Vec<(Uuid, Vec<u8>, bool)>> {
    sqlx::query_as("SELECT entry, record, payload IS NOT NULL FROM dead_letter_outbox WHERE segment = $1 ORDER BY line")
        .bind(segment)
        .fetch_all(conn)
        .await
}

/// Forgets the entries of a segment that is durable, and has the index point to its records.
async fn let_go(conn: &mut PgConnection, segment: Uuid) -> sqlx::Result<()> {
    sqlx::query(POINT).bind(segment).execute(&mut *conn).await?;
    for statement in [
        "UPDATE dead_letter_segments SET shipped_at = now() WHERE id = $1",
        "DELETE FROM dead_letter_outbox WHERE segment = $1",
    ] {
        sqlx::query(statement).bind(segment).execute(&mut *conn).await?;
    }
    Ok(())
}
