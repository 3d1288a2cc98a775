//! An answer on its way.

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt as _;

use super::cluster::Job;
use super::trouble::Trouble;

/// The groups of an answer, in order, batch by batch: bucket, platform, product, views. Dropped before their end,
/// they end the work on the question.
#[must_use]
pub struct Groups {
    first: Option<RecordBatch>,
    rest: Option<SendableRecordBatchStream>,
    job: Option<Job>,
    /// Whether the cluster is done, and only keeps the answer.
    counted: bool,
    left: u64,
}

impl Groups {
    pub(super) fn none() -> Self {
        Groups { first: None, rest: None, job: None, counted: false, left: 0 }
    }

    /// Waits for the first batch. Groups are sorted: when one is there, every view has been counted.
    pub(super) async fn of(stream: SendableRecordBatchStream, job: Option<Job>, most: u64) -> Result<Self, Trouble> {
        let mut groups = Groups { first: None, rest: Some(stream), job, counted: false, left: most };
        groups.first = groups.fetch().await?;
        Ok(groups)
    }

    /// The next batch; `None` when there are no more groups, or as many as were asked for were told.
    ///
    /// # Errors
    /// When the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Trouble> {
        let batch = match self.first.take() {
            Some(first) => Some(first),
            None => self.fetch().await?,
        };
        let Some(batch) = batch else { return Ok(None) };
        let rows = batch.num_rows().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= rows as u64;
        Ok((rows > 0).then(|| batch.slice(0, rows)))
    }

    async fn fetch(&mut self) -> Result<Option<RecordBatch>, Trouble> {
        while let Some(stream) = self.rest.as_mut().filter(|_| self.left > 0) {
            let batch = stream.next().await.transpose()?;
            self.counted = true;
            match batch {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => return Ok(Some(batch)),
                None => self.rest = None,
            }
        }
        self.finish();
        Ok(None)
    }

    fn finish(&mut self) {
        let unread = self.rest.take();
        if let Some(job) = self.job.take() {
            job.finish(unread.filter(|_| !self.counted));
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.finish();
    }
}
