//! Views and purchases out of the database, and views out of the history, all in the order of time, a bucket at a
//! time.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction};

use super::Ctr;
use super::history::{Failure, Files};
use super::lines::{Line, Lines};
use super::question::Question;
use super::tally::{Counts, Tally};
use crate::api::UNKNOWN;
use crate::api::problem::Problem;
use crate::domain::Platform;

/// The buckets of a period that hold anything, one after the other. The rows are read through two cursors of
/// one snapshot: no more of them is held than a page of each, and one bucket. A view is in `product_views` or in
/// one of the files of the history that the same snapshot shows, so each is counted once.
pub(super) struct Buckets<'q> {
    question: &'q Question,
    tx: Transaction<'static, Postgres>,
    views: Feed,
    purchases: Feed,
    history: Option<Lines>,
}

/// Why there are no more buckets, although there should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the history: {0}")]
    History(#[from] Failure),
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Database(error) => error.into(),
            Failed::History(failure) => failure.into(),
        }
    }
}

/// How long nothing may be read before the database ends the transaction: a client may read slowly, longer than
/// anything else may hold a snapshot.
const IDLE: &str = "SET LOCAL idle_in_transaction_session_timeout = '40s'";
/// The same while the history answers: the next row of the database may be due when most of that is read, so as
/// long as an answer may take.
const IDLE_BESIDE_HISTORY: &str = "SET LOCAL idle_in_transaction_session_timeout = '310s'";

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
    /// Begins to read.
    ///
    /// # Errors
    /// When the database does not answer, or the history that it must be asked besides.
    pub(super) async fn open(pool: &PgPool, question: &'q Question, ctr: &Ctr) -> Result<Self, Failed> {
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let files = Files::of(question, &mut tx).await?;
        if files.is_empty() {
            sqlx::query(IDLE).execute(&mut *tx).await?;
            let (views, purchases) = cursors(question, &ctr.cancelled, &mut tx).await?;
            return Ok(Buckets { question, tx, views, purchases, history: None });
        }
        let history = ctr.history.as_ref().ok_or(Failure::Unset)?;
        sqlx::query(IDLE_BESIDE_HISTORY).execute(&mut *tx).await?;
        let cursors = async { Ok(cursors(question, &ctr.cancelled, &mut tx).await?) };
        let asked = async { Ok::<_, Failed>(history.ask(question, &files, ctr.most_rows + 1).await?) };
        let ((views, purchases), lines) = tokio::try_join!(cursors, asked)?;
        Ok(Buckets { question, tx, views, purchases, history: Some(lines) })
    }

    /// The next bucket that holds anything, with its number; no more of it than `most` rows and one.
    ///
    /// # Errors
    /// When the database or the history does not answer to the end.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<(i64, Tally)>, Failed> {
        let Buckets { question, tx, views, purchases, history } = self;
        if history.as_ref().is_some_and(Lines::is_cut) {
            return Err(Failure::TooMuch.into());
        }
        let heads = [&views.head, &purchases.head].into_iter().flatten().map(|(bucket, _)| *bucket);
        let heads = heads.chain(history.as_ref().and_then(Lines::head).map(|line| line.bucket));
        let Some(bucket) = heads.min() else { return Ok(None) };
        let mut tally = Tally::default();
        if let Some(lines) = history {
            add_history(&mut tally, bucket, lines, most).await?;
        }
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

/// Adds what the history has of a bucket.
async fn add_history(tally: &mut Tally, bucket: i64, lines: &mut Lines, most: usize) -> Result<(), Failure> {
    while let Some(Line { platform, product, views, .. }) = lines.head().filter(|line| line.bucket == bucket) {
        tally.add(platform, product, Counts::views(*views));
        lines.advance().await?;
        if tally.rows() > most {
            break;
        }
    }
    Ok(())
}

/// Begins to read both. `cancelled` are the statuses, in lower case, of orders that are none.
async fn cursors(question: &Question, cancelled: &[String], conn: &mut PgConnection) -> sqlx::Result<(Feed, Feed)> {
    let Question { start, end, product, platform, .. } = question;
    let declare = sqlx::query(VIEWS).bind(start).bind(end).bind(product).bind(platform);
    declare.persistent(false).execute(&mut *conn).await?;
    let declare = sqlx::query(PURCHASES).bind(start).bind(end).bind(product).bind(cancelled);
    declare.persistent(false).execute(&mut *conn).await?;
    let views = Feed::begin("FETCH 5000 FROM views", question, conn).await?;
    Ok((views, Feed::begin("FETCH 5000 FROM purchases", question, conn).await?))
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
