//! Views and purchases out of the database, both in the order of time, a bucket at a time.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction};

use super::question::Question;
use super::tally::{Counts, Tally};
use crate::api::UNKNOWN;
use crate::domain::Platform;

/// The buckets of a period that hold anything, one after the other. The rows are read through two cursors of
/// one snapshot: no more of them is held than a page of each, and one bucket.
pub(super) struct Buckets<'q> {
    question: &'q Question,
    tx: Transaction<'static, Postgres>,
    views: Feed,
    purchases: Feed,
}

/// Rows that are fetched at once.
const PAGE: usize = 5000;

const VIEWS: &str = "
    DECLARE views NO SCROLL CURSOR FOR
    SELECT occurred_at, platform, product
    FROM product_views
    WHERE occurred_at >= $1 AND occurred_at < $2
        AND ($3::text IS NULL OR product = $3) AND ($4::text IS NULL OR platform = $4)
    ORDER BY occurred_at";

/// An item without a product is left out: it has no click-through rate.
const PURCHASES: &str = "
    DECLARE purchases NO SCROLL CURSOR FOR
    SELECT orders.order_date, orders.device_type::text, order_items.code_color::text
    FROM orders
    JOIN order_items ON order_items.order_id = orders.id
    WHERE orders.order_date >= $1 AND orders.order_date < $2
        AND lower(coalesce(orders.order_status, '')) <> ALL ($4)
        AND order_items.code_color IS NOT NULL AND ($3::text IS NULL OR order_items.code_color = $3)
    ORDER BY orders.order_date";

impl<'q> Buckets<'q> {
    /// Begins to read. `cancelled` are the statuses, in lower case, of orders that are none.
    pub(super) async fn open(pool: &PgPool, question: &'q Question, cancelled: &[String]) -> sqlx::Result<Self> {
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        // A client may read slowly: longer than anything else may hold a snapshot.
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '40s'").execute(&mut *tx).await?;
        let Question { start, end, product, platform, .. } = question;
        let declare = sqlx::query(VIEWS).bind(start).bind(end).bind(product).bind(platform);
        declare.persistent(false).execute(&mut *tx).await?;
        let declare = sqlx::query(PURCHASES).bind(start).bind(end).bind(product).bind(cancelled);
        declare.persistent(false).execute(&mut *tx).await?;
        let views = Feed::begin("FETCH 5000 FROM views", question, &mut tx).await?;
        let purchases = Feed::begin("FETCH 5000 FROM purchases", question, &mut tx).await?;
        Ok(Buckets { question, tx, views, purchases })
    }

    /// The next bucket that holds anything, with its number; no more of it than `most` rows and one.
    pub(super) async fn next(&mut self, most: usize) -> sqlx::Result<Option<(i64, Tally)>> {
        let Buckets { question, tx, views, purchases } = self;
        let heads = [&views.head, &purchases.head].into_iter().flatten();
        let Some(bucket) = heads.map(|(bucket, _)| *bucket).min() else { return Ok(None) };
        let mut tally = Tally::default();
        while let Some((_, row)) = views.head.take_if(|(head, _)| *head == bucket) {
            tally.add(row.try_get(1)?, row.try_get(2)?, Counts::VIEW);
            views.advance(question, tx).await?;
            if tally.rows() > most {
                break;
            }
        }
        while let Some((_, row)) = purchases.head.take_if(|(head, _)| *head == bucket) {
            let platform = Platform::canonical(row.try_get::<Option<&str>, _>(1)?.unwrap_or(UNKNOWN));
            if question.platform.as_deref().is_none_or(|asked| asked == platform) {
                tally.add(&platform, row.try_get(2)?, Counts::PURCHASE);
            }
            purchases.advance(question, tx).await?;
            if tally.rows() > most {
                break;
            }
        }
        Ok(Some((bucket, tally)))
    }
}

/// A cursor, and what was fetched of it and is still to be counted.
struct Feed {
    fetch: &'static str,
    page: std::vec::IntoIter<PgRow>,
    /// The next row, and the bucket that it falls in.
    head: Option<(i64, PgRow)>,
    more: bool,
}

impl Feed {
    async fn begin(fetch: &'static str, question: &Question, conn: &mut PgConnection) -> sqlx::Result<Self> {
        let mut feed = Feed { fetch, page: Vec::new().into_iter(), head: None, more: true };
        feed.advance(question, conn).await?;
        Ok(feed)
    }

    async fn advance(&mut self, question: &Question, conn: &mut PgConnection) -> sqlx::Result<()> {
        if self.page.len() == 0 && self.more {
            let page = sqlx::query(self.fetch).fetch_all(conn).await?;
            self.more = page.len() == PAGE;
            self.page = page.into_iter();
        }
        self.head = match self.page.next() {
            Some(row) => Some((question.bucket(row.try_get::<DateTime<Utc>, _>(0)?), row)),
            None => None,
        };
        Ok(())
    }
}
