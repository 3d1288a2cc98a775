//! Rows into files.

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use uuid::Uuid;

use super::schema;
use crate::catalog::File;
use crate::store::Store;

/// Rows of a row group: what a reader holds of a file at once.
const ROW_GROUP: usize = 1 << 18;

/// The rows of one platform and day.
#[derive(Debug)]
pub struct Part {
    /// As in the rows.
    pub platform: String,
    /// In UTC.
    pub day: NaiveDate,
    /// Sorted by product, then by time.
    pub rows: RecordBatch,
}

/// Sorts rows, and parts them by platform and day.
///
/// # Errors
/// When a row is from a day that no calendar has.
pub fn parts(rows: &RecordBatch) -> anyhow::Result<Vec<Part>> {
    let order = super::order::order(rows)?;
    let sorted = take_record_batch(rows, &order)?;
    let days: Vec<i64> = times(&sorted, OCCURRED_AT).iter().map(|at| at.div_euclid(MICROS_OF_A_DAY)).collect();
    let platforms = sorted.column(PLATFORM).as_string::<i32>();
    let (mut parts, mut begin) = (Vec::new(), 0);
    for end in 1..=sorted.num_rows() {
        let goes_on = end < days.len() && days[end] == days[begin] && platforms.value(end) == platforms.value(begin);
        if !goes_on {
            let (platform, day) = (platforms.value(begin).to_owned(), day(days[begin])?);
            parts.push(Part { platform, day, rows: sorted.slice(begin, end - begin) });
            begin = end;
        }
    }
    Ok(parts)
}

pub(super) const OCCURRED_AT: usize = 1;
pub(super) const PLATFORM: usize = 3;
pub(super) const PRODUCT: usize = 4;
pub(crate) const MICROS_OF_A_DAY: i64 = 86_400_000_000;

pub(super) fn times(rows: &RecordBatch, column: usize) -> &[i64] {
    rows.column(column).as_primitive::<TimestampMicrosecondType>().values()
}

fn day(since_1970: i64) -> anyhow::Result<NaiveDate> {
    let day = NaiveDate::default().checked_add_signed(TimeDelta::try_days(since_1970).context("no day")?);
    day.with_context(|| format!("no calendar has the day {since_1970}"))
}

/// A file that is being written. One that is dropped leaves nothing behind.
pub struct Writer {
    file: AsyncArrowWriter<BufWriter>,
    path: String,
    platform: String,
    day: NaiveDate,
    rows: i64,
    times: Option<(i64, i64)>,
    ids: u128,
}

impl Writer {
    /// Begins a file of a platform and a day.
    ///
    /// # Errors
    /// Never: its columns can be written.
    pub fn begin(store: &Store, platform: &str, day: NaiveDate) -> anyhow::Result<Self> {
        let path = format!("platform={platform}/day={day}/{}.parquet", Uuid::now_v7());
        let file = AsyncArrowWriter::try_new(store.blob().writer(&path), schema(), Some(properties()))?;
        Ok(Writer { file, path, platform: platform.to_owned(), day, rows: 0, times: None, ids: 0 })
    }

    /// Adds rows: those of its platform and day, behind the ones before them in the order of product and time.
    ///
    /// # Errors
    /// When the store does not take what is written.
    pub async fn push(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        let ids = rows.column(0).as_fixed_size_binary().iter().flatten().filter_map(|id| id.try_into().ok());
        self.ids = ids.map(u128::from_be_bytes).fold(self.ids, |all, id| all ^ id);
        let times = times(rows, OCCURRED_AT).iter().copied();
        self.times = times.map(|at| (at, at)).chain(self.times).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.rows += i64::try_from(rows.num_rows())?;
        Ok(self.file.write(rows).await?)
    }

    /// How large the file is so far, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.file.bytes_written() + self.file.in_progress_size()
    }

    /// Ends it. Its object is durable when this returns.
    ///
    /// # Errors
    /// When the store does not say that it is, or the file has no rows.
    pub async fn finish(mut self) -> anyhow::Result<File> {
        let (first, last) = self.times.context("a file without rows")?;
        self.file.finish().await?;
        let at = |micros| DateTime::<Utc>::from_timestamp_micros(micros).context("no time");
        Ok(File {
            path: self.path,
            platform: self.platform,
            day: self.day,
            rows: self.rows,
            bytes: i64::try_from(self.file.bytes_written())?,
            first_at: at(first)?,
            last_at: at(last)?,
            ids: Uuid::from_u128(self.ids),
        })
    }
}

/// Ids are random: neither a dictionary nor compression makes them smaller.
fn properties() -> WriterProperties {
    let [id, event_id] = ["id", "event_id"].map(ColumnPath::from);
    let times = ["occurred_at", "received_at"].map(ColumnPath::from);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_column_compression(id.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(id.clone(), false)
        .set_column_statistics_enabled(id, EnabledStatistics::None)
        .set_column_dictionary_enabled(event_id.clone(), false)
        .set_column_statistics_enabled(event_id, EnabledStatistics::None);
    for time in times {
        properties = properties
            .set_column_dictionary_enabled(time.clone(), false)
            .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}
