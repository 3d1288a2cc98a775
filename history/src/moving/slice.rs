//! One transaction: rows out of the table, into files.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use datafusion::arrow::error::ArrowError;
use futures::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};

use super::IDS_ARE_KEPT;
use crate::catalog::{self, File};
use crate::store::Store;
use crate::views::{Rows, View, Writer, parts};

/// Rows of a slice, at the most. A worker to which a view of it comes again waits for the transaction, some seconds.
const ROWS: i64 = 250_000;
/// Bytes that are sorted at once, about.
const CHUNK: usize = 96 << 20;

/// What the transaction is told. It may take longer than one of a worker, whose own waits are limited: one of those
/// who waits for a lock gives up after ten seconds. A frozen one must still end.
pub(crate) const PATIENCE: &str = "SET LOCAL statement_timeout = '5min'; SET LOCAL lock_timeout = '5s';
                        SET LOCAL idle_in_transaction_session_timeout = '2min'";

/// The oldest rows of a day. An update by somebody else is waited for, and its result moved, by this statement or
/// the next; what somebody else deletes is not.
const DELETE: &str = "
    WITH gone AS (
        DELETE FROM product_views
        WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM product_views WHERE occurred_at >= $1 AND occurred_at < $2 ORDER BY occurred_at LIMIT $3))
        RETURNING id, occurred_at, received_at, platform, product, mpid, session_id, event_id
    ), noted AS (
        INSERT INTO moved_product_views (id, received_at) SELECT id, received_at FROM gone WHERE received_at > $4
    )
    SELECT * FROM gone";

/// Views of a day, from some time on.
pub(super) struct Slice {
    pub(super) from: DateTime<Utc>,
    day: NaiveDate,
}

impl Slice {
    pub(super) fn first(day: NaiveDate) -> Self {
        Slice { from: midnight(day), day }
    }

    /// Moves the first of them, and says how many and when the last of these was; `None` when there are no more.
    pub(super) async fn do_move(&self, pool: &PgPool, store: &Store) -> anyhow::Result<Option<(u64, DateTime<Utc>)>> {
        let mut tx = pool.begin().await?;
        sqlx::raw_sql(PATIENCE).execute(&mut *tx).await?;
        let files = self.take(&mut tx, store).await?;
        let Some(last_at) = files.iter().map(|file| file.last_at).max() else { return Ok(None) };
        catalog::add(&mut tx, &files).await?;
        // The day is not done, but those before it are: and from now on ids of moved views may have been removed.
        catalog::moved(&mut *tx, midnight(self.day)).await?;
        tx.commit().await?;
        Ok(Some((files.iter().map(|file| file.rows.unsigned_abs()).sum(), last_at)))
    }

    async fn take(&self, conn: &mut PgConnection, store: &Store) -> anyhow::Result<Vec<File>> {
        let delete = sqlx::query(DELETE).bind(self.from).bind(midnight(self.day) + TimeDelta::days(1));
        let mut taken = delete.bind(ROWS).bind(Utc::now() - IDS_ARE_KEPT).fetch(conn);
        let (mut rows, mut files) = (Rows::default(), Vec::new());
        while let Some(row) = taken.try_next().await? {
            push(&mut rows, &row)??;
            if rows.bytes() >= CHUNK {
                write(store, &mut rows, &mut files).await?;
            }
        }
        write(store, &mut rows, &mut files).await?;
        Ok(files)
    }
}

/// How many views of a day there are.
pub(super) async fn views(pool: &PgPool, day: NaiveDate) -> sqlx::Result<u64> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *tx).await?;
    let count = "SELECT count(*) FROM product_views WHERE occurred_at >= $1 AND occurred_at < $2";
    let count = sqlx::query_scalar::<_, i64>(count).bind(midnight(day)).bind(midnight(day) + TimeDelta::days(1));
    let views = count.fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(views.unsigned_abs())
}

/// When a day begins.
pub(crate) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn push(rows: &mut Rows, row: &PgRow) -> sqlx::Result<Result<(), ArrowError>> {
    let micros = |column: &str| row.try_get::<DateTime<Utc>, _>(column).map(|at| at.timestamp_micros());
    Ok(rows.push(View {
        id: row.try_get("id")?,
        occurred_at: micros("occurred_at")?,
        received_at: micros("received_at")?,
        platform: row.try_get("platform")?,
        product: row.try_get("product")?,
        mpid: row.try_get("mpid")?,
        session_id: row.try_get("session_id")?,
        event_id: row.try_get("event_id")?,
    }))
}

async fn write(store: &Store, rows: &mut Rows, files: &mut Vec<File>) -> anyhow::Result<()> {
    for part in parts(&rows.take()?)? {
        let mut writer = Writer::begin(store, &part.platform, part.day)?;
        writer.push(&part.rows).await?;
        files.push(writer.finish().await?);
    }
    Ok(())
}
