//! Files in the place of others.

use anyhow::ensure;
use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::{filter_record_batch, not};
use futures::TryStreamExt as _;
use purser::expire::count_gone;
use sqlx::PgPool;

use crate::catalog::{self, File};
use crate::reading::{Reader, ids};
use crate::store::Store;
use crate::views::Writer;

/// A file that has become this large is ended.
const LARGE: usize = 192 << 20;

/// Puts files in the place of others.
pub struct Rewrite<'r> {
    /// The catalog.
    pub pool: &'r PgPool,
    /// Where the files are.
    pub store: &'r Store,
    /// Reads them.
    pub reader: Reader,
}

/// What becomes of rows.
pub struct Kept {
    rows: RecordBatch,
    expired: Option<RecordBatch>,
}

impl Kept {
    /// All of them stay, be it changed; in their order, with their ids.
    #[must_use]
    pub fn all(rows: RecordBatch) -> Self {
        Kept { rows, expired: None }
    }

    /// Only these stay; the others have expired.
    ///
    /// # Errors
    /// When there are more or fewer answers than rows.
    pub fn only(rows: &RecordBatch, stays: &BooleanArray) -> anyhow::Result<Self> {
        Ok(Kept { rows: filter_record_batch(rows, stays)?, expired: Some(filter_record_batch(rows, &not(stays)?)?) })
    }
}

/// Rows, and what their ids make together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    rows: i64,
    ids: u128,
}

impl Sum {
    fn of(files: &[File]) -> Self {
        let sum = |sum: Sum, file: &File| sum.with(file.rows, file.ids.as_u128());
        files.iter().fold(Sum::default(), sum)
    }

    fn with(self, rows: i64, ids: u128) -> Self {
        Sum { rows: self.rows + rows, ids: self.ids ^ ids }
    }

    fn with_rows(self, rows: &RecordBatch) -> anyhow::Result<Self> {
        Ok(self.with(i64::try_from(rows.num_rows())?, ids(rows)?.fold(0, |all, id| all ^ id)))
    }
}

impl Rewrite<'_> {
    /// Writes all rows of `old`, files of one platform and day, anew, and puts the new files in their place. `false`
    /// when somebody else was faster: then nothing has changed.
    ///
    /// # Errors
    /// When database or store do not work, or the files do not hold what the catalog says: nothing has changed then.
    pub async fn swap(
        &self,
        old: &[File],
        change: impl Fn(RecordBatch) -> anyhow::Result<Kept>,
    ) -> anyhow::Result<bool> {
        let (new, expired) = self.write(old, change).await?;
        let written = Sum::of(&new).with(expired.rows, expired.ids);
        let noted = Sum::of(old);
        ensure!(
            written == noted,
            "the files do not hold the {} views that they should: `purser-history verify`",
            noted.rows
        );
        let swapped = self.commit(old, &new, expired.rows).await?;
        if !swapped {
            for file in &new {
                self.store.blob().delete(&file.path).await?;
            }
        }
        Ok(swapped)
    }

    /// Takes files out in whose place others stand now, if any. `false` when they were taken out before.
    pub(super) async fn commit(&self, old: &[File], new: &[File], expired: i64) -> anyhow::Result<bool> {
        let mut tx = self.pool.begin().await?;
        if !catalog::remove(&mut tx, old).await? {
            return Ok(false);
        }
        catalog::add(&mut tx, new).await?;
        count_gone(&mut tx, "product_view", expired).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn write(
        &self,
        old: &[File],
        change: impl Fn(RecordBatch) -> anyhow::Result<Kept>,
    ) -> anyhow::Result<(Vec<File>, Sum)> {
        let (mut new, mut open, mut expired) = (Vec::new(), None::<Writer>, Sum::default());
        let Some(first) = old.first() else { return Ok((new, expired)) };
        let mut read = self.reader.merged(old).await?;
        while let Some(rows) = read.try_next().await? {
            let kept = change(rows)?;
            if let Some(rows) = kept.expired {
                expired = expired.with_rows(&rows)?;
            }
            if kept.rows.num_rows() == 0 {
                continue;
            }
            let mut writer = match open.take() {
                Some(writer) => writer,
                None => Writer::begin(self.store, &first.platform, first.day)?,
            };
            writer.push(&kept.rows).await?;
            match writer.bytes() >= LARGE {
                true => new.push(writer.finish().await?),
                false => open = Some(writer),
            }
        }
        if let Some(writer) = open {
            new.push(writer.finish().await?);
        }
        Ok((new, expired))
    }
}
