//! Which copy of the sums a transaction adds to.

use sqlx::PgConnection;

/// The first of the rollup shards that no other transaction is writing to, or any when all are taken.
pub(crate) async fn free(conn: &mut PgConnection) -> sqlx::Result<i16> {
    const LOCKS: i32 = 0x7075_7273;
    let free = sqlx::query_scalar(
        "SELECT coalesce(
             (SELECT shard FROM generate_series(0, 15) AS shard WHERE pg_try_advisory_xact_lock($1, shard) LIMIT 1),
             pg_backend_pid() % 16)::smallint",
    );
    free.bind(LOCKS).fetch_one(conn).await
}
