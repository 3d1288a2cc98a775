//! Connections whose work may be cut off.

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};

/// A connection that goes back to its pool only when its work has come to an end. One that is dropped in
/// the middle of a statement, by a timeout or at a hard stop, is closed: answers may be under way on it.
pub(crate) struct Borrowed(Option<PoolConnection<Postgres>>);

impl Borrowed {
    pub(crate) async fn from(pool: &PgPool) -> sqlx::Result<Self> {
        Ok(Borrowed(Some(pool.acquire().await?)))
    }

    pub(crate) async fn begin(&mut self) -> sqlx::Result<Transaction<'_, Postgres>> {
        self.get()?.begin().await
    }

    pub(crate) fn get(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(crate) fn give_back(mut self) {
        self.0.take();
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}
