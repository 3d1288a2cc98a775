//! The sum of rejections, after rows were added behind its back.

use sqlx::{Connection as _, PgConnection};

use crate::verify::REPAIR;

/// Adds what the sum lacks, in one statement: its snapshot holds both of every transaction, or neither.
const LACKING: &str = "
    WITH counted AS (
        SELECT date_trunc('hour', failed_at, 'UTC') AS starts_at, kind, reason, code, count(*) AS count,
               count(*) FILTER (WHERE status = 'open' AND class = 'when_reference_appears') AS waiting,
               max(failed_at) AS last_seen
        FROM dead_letters CROSS JOIN LATERAL UNNEST(codes) AS code
        GROUP BY 1, 2, 3, 4
    ), summed AS (
        SELECT starts_at, kind, reason, code, sum(count)::bigint AS count, sum(waiting)::bigint AS waiting,
               max(last_seen) AS last_seen
        FROM rejections GROUP BY 1, 2, 3, 4
    )
    INSERT INTO rejections AS sum (starts_at, kind, reason, code, shard, count, waiting, last_seen)
    SELECT starts_at, kind, reason, code, 16, coalesce(counted.count, 0) - coalesce(summed.count, 0),
           coalesce(counted.waiting, 0) - coalesce(summed.waiting, 0), coalesce(counted.last_seen, summed.last_seen)
    FROM counted FULL JOIN summed USING (starts_at, kind, reason, code)
    WHERE (counted.count, counted.waiting) IS DISTINCT FROM (summed.count, summed.waiting)
    ORDER BY starts_at, kind, reason, code
    ON CONFLICT (starts_at, kind, reason, code, shard) DO UPDATE SET
        count = sum.count + EXCLUDED.count,
        waiting = sum.waiting + EXCLUDED.waiting,
        last_seen = greatest(sum.last_seen, EXCLUDED.last_seen)";

/// Brings the sum of rejections into agreement with the index, one at a time with everybody else who does.
pub(super) async fn repair(conn: &mut PgConnection) -> sqlx::Result<()> {
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(REPAIR).execute(&mut *tx).await?;
    sqlx::query(LACKING).execute(&mut *tx).await?;
    tx.commit().await
}
