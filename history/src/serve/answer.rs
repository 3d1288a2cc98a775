//! An answer as lines of JSON, and what the log says of it.

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datafusion::arrow::array::{AsArray as _, RecordBatch, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::error::ArrowError;
use futures::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::engine::{Groups, Question};

/// How long the rest of an answer may keep one waiting that has begun.
const PATIENCE: Duration = Duration::from_secs(30);

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The lines of an answer. Its room is free again when all of them are sent, or nobody wants them any more.
pub(super) fn lines(
    groups: Groups,
    account: Account,
    room: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
    stream::try_unfold(Some((groups, account, room)), |answer| async {
        let Some((mut groups, mut account, room)) = answer else { return Ok(None) };
        match next(&mut groups).await {
            Ok(Some(batch)) => {
                account.rows += batch.num_rows();
                Ok(Some((written(&batch)?, Some((groups, account, room)))))
            }
            Ok(None) => {
                account.told();
                Ok(Some((Bytes::from(format!("{{\"rows\":{}}}\n", account.rows)), None)))
            }
            Err(error) => {
                account.failed(&error);
                Err(error)
            }
        }
    })
}

async fn next(groups: &mut Groups) -> Result<Option<RecordBatch>, Broken> {
    let batch = timeout(PATIENCE, groups.next()).await.map_err(|_| "the rest of the answer did not come")?;
    batch.map_err(|trouble| trouble.to_string().into())
}

/// `[bucket,"platform","product",views]`, a line each.
fn written(batch: &RecordBatch) -> Result<Bytes, Broken> {
    let [platforms, products] = [text(batch, 1)?, text(batch, 2)?];
    let numbers = |column| batch.column(column).as_primitive::<Int64Type>().values();
    let mut lines = Vec::with_capacity(batch.num_rows() * 48);
    for row in 0..batch.num_rows() {
        write!(lines, "[{},", numbers(0)[row])?;
        serde_json::to_writer(&mut lines, platforms.value(row))?;
        lines.push(b',');
        serde_json::to_writer(&mut lines, products.value(row))?;
        writeln!(lines, ",{}]", numbers(3)[row])?;
    }
    Ok(lines.into())
}

/// A cluster has other texts than this process.
fn text(batch: &RecordBatch, column: usize) -> Result<StringViewArray, ArrowError> {
    Ok(cast(batch.column(column), &DataType::Utf8View)?.as_string_view().clone())
}

/// A line in the log for a question: how much it asked for, how long that took, and how it ended. When nothing is
/// said of its end, its client has hung up.
pub(super) struct Account {
    asked: Instant,
    files: usize,
    bytes: u64,
    product: bool,
    platform: bool,
    buckets: i64,
    rows: usize,
    ended: bool,
}

impl Account {
    pub(super) fn of(question: &Question, asked: Instant) -> Self {
        let period = (question.end - question.start).num_microseconds().unwrap_or(i64::MAX);
        Account {
            asked,
            files: question.files.len(),
            bytes: question.files.iter().fold(0, |all, file| all.saturating_add(file.bytes)),
            product: question.product.is_some(),
            platform: question.platform.is_some(),
            buckets: period / question.bucket_us.max(1),
            rows: 0,
            ended: false,
        }
    }

    fn told(&mut self) {
        let Account { files, bytes, product, platform, buckets, rows, .. } = *self;
        let seconds = self.end();
        tracing::info!(files, bytes, product, platform, buckets, rows, seconds, "a question was answered");
    }

    pub(super) fn failed(&mut self, error: &dyn Display) {
        let Account { files, bytes, product, platform, buckets, rows, .. } = *self;
        let seconds = self.end();
        tracing::warn!(files, bytes, product, platform, buckets, rows, seconds, %error, "a question was not answered");
    }

    fn end(&mut self) -> f64 {
        self.ended = true;
        self.asked.elapsed().as_secs_f64()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.ended {
            let Account { files, bytes, product, platform, buckets, rows, .. } = *self;
            let seconds = self.end();
            tracing::info!(files, bytes, product, platform, buckets, rows, seconds, "who asked a question has gone");
        }
    }
}
