//! Files of the history, read row by row: one in its order, or several as one.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::datasource::file_format::options::ParquetReadOptions;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext, col};
use object_store_of_datafusion::path::Path;
use object_store_of_datafusion::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use crate::catalog::File;
use crate::objects::objects;
use crate::store::Store;
use crate::views::schema;

/// What merging may hold beside what is being read and written.
const MEMORY: usize = 192 << 20;

/// Reads the files of a store.
#[derive(Debug, Clone)]
pub struct Reader {
    objects: Arc<dyn ObjectStore>,
    root: Url,
}

impl Reader {
    /// Of the files of this store.
    ///
    /// # Errors
    /// When what the environment says of its bucket makes no sense.
    pub fn open(store: &Store) -> anyhow::Result<Self> {
        Ok(Reader { objects: objects(store.url())?, root: store.url().clone() })
    }

    /// Some columns of a file, in the order of its rows.
    ///
    /// # Errors
    /// When there is no such object, it has another size, or it is no file of ours.
    pub async fn read(&self, file: &File, columns: &[&str]) -> anyhow::Result<SendableRecordBatchStream> {
        // What is missing would be read as if it were empty.
        let found = self.objects.head(&Path::from_url_path(self.url(file)?.path())?).await?.size;
        ensure!(found == file.bytes.unsigned_abs(), "it has {found} bytes");
        let schema = schema();
        let options = ParquetReadOptions::default().schema(&schema);
        let rows = self.session(1)?.read_parquet(self.url(file)?.as_str(), options).await?;
        Ok(rows.select_columns(columns)?.execute_stream().await?)
    }

    /// All rows of several files, sorted by product and time as each file is. Whoever asks is to compare their number
    /// with the catalog's: a file that is missing is read as if it were empty.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn merged(&self, files: &[File]) -> anyhow::Result<SendableRecordBatchStream> {
        let session = self.session(files.len())?;
        let plan = self.plan(&session, files).await?;
        Ok(execute_stream(plan, session.task_ctx())?)
    }

    /// Every file is a partition of its own, so that nothing has to be sorted again.
    async fn plan(&self, session: &SessionContext, files: &[File]) -> anyhow::Result<Arc<dyn ExecutionPlan>> {
        let order = || ["product", "occurred_at"].map(|column| col(column).sort(true, false)).to_vec();
        let schema = schema();
        let options = ParquetReadOptions::default().schema(&schema).file_sort_order(vec![order()]);
        let urls = files.iter().map(|file| self.url(file).map(String::from)).collect::<anyhow::Result<Vec<_>>>()?;
        let rows = session.read_parquet(urls, options).await?.sort(order())?;
        Ok(rows.create_physical_plan().await?)
    }

    fn session(&self, files: usize) -> anyhow::Result<SessionContext> {
        let config = SessionConfig::new()
            .with_target_partitions(files.max(1))
            .with_repartition_file_scans(false)
            .with_collect_statistics(false)
            .set_bool("datafusion.execution.parquet.schema_force_view_types", false);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY))).build_arc()?;
        runtime.register_object_store(&self.root, Arc::clone(&self.objects));
        Ok(SessionContext::new_with_config_rt(config, runtime))
    }

    fn url(&self, file: &File) -> anyhow::Result<Url> {
        Ok(self.root.join(&file.path)?)
    }
}

/// The ids of rows, as numbers.
///
/// # Errors
/// When the rows have none.
pub fn ids(rows: &RecordBatch) -> anyhow::Result<impl Iterator<Item = u128>> {
    let ids = rows.column_by_name("id").and_then(|ids| ids.as_fixed_size_binary_opt()).context("no ids")?;
    Ok(ids.iter().flatten().filter_map(|id| id.try_into().ok()).map(u128::from_be_bytes))
}

/// A column of times, in microseconds since 1970.
///
/// # Errors
/// When the rows have none of this name.
pub fn times<'r>(rows: &'r RecordBatch, column: &str) -> anyhow::Result<&'r [i64]> {
    let times = rows.column_by_name(column).and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(times.with_context(|| format!("no times {column}"))?.values())
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use uuid::Uuid;

    use super::*;
    use crate::views::{Rows, View, Writer, parts};

    async fn file(store: &Store, product: &str) -> File {
        let mut rows = Rows::default();
        for micros in 0..3 {
            let (id, received_at) = (Uuid::new_v4(), 0);
            let (mpid, session_id, event_id) = (None, None, None);
            let platform = "iOS";
            let view = View { id, occurred_at: micros, received_at, platform, product, mpid, session_id, event_id };
            rows.push(view).unwrap();
        }
        let part = parts(&rows.take().unwrap()).unwrap().remove(0);
        let mut writer = Writer::begin(store, &part.platform, part.day).unwrap();
        writer.push(&part.rows).await.unwrap();
        writer.finish().await.unwrap()
    }

    #[tokio::test]
    async fn nothing_is_sorted_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let reader = Reader::open(&store).unwrap();
        let mut files = Vec::new();
        for number in 0..16 {
            files.push(file(&store, &format!("product {}", number % 5)).await);
            let session = reader.session(files.len()).unwrap();
            let plan = reader.plan(&session, &files).await.unwrap();
            let plan = displayable(plan.as_ref()).indent(false).to_string();
            assert!(!plan.contains("SortExec"), "{plan}");
            assert_eq!(plan.contains("SortPreservingMergeExec"), files.len() > 1, "{plan}");
        }
    }
}
