//! Answers how often products were viewed, out of files of the history.
//!
//! One SQL statement (`VIEWS`) over exactly the files of the [`Question`], which the asker has from the catalog.
//! DataFusion works on it in this process or, as the very same plan, on a Ballista cluster.

mod cluster;
pub(crate) mod codec;
mod files;
mod groups;
pub(crate) mod parts;
mod question;
pub(crate) mod session;
mod trouble;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{
    CatalogProvider as _, CatalogProviderList as _, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider,
};
use datafusion::common::ScalarValue;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};

use cluster::Cluster;
use files::Files;
pub use groups::Groups;
pub use parts::Scheduler;
pub use question::{File, Question};
pub use session::Resources;
pub use trouble::Trouble;

/// Views of a period per bucket, platform and product, bytewise in this order. Nothing in it overflows: what is left
/// after the filter is at most as long after `$first` as the period is long, which is a number of microseconds
/// ([`Question::check`]).
///
/// There is no LIMIT in it: for as many rows as are asked for, the heap that DataFusion sorts by then is slower than
/// sorting all. The reader stops early instead.
const VIEWS: &str = "
    SELECT bucket, platform, product, count(*) AS views
    FROM (SELECT (CAST(occurred_at AS BIGINT) - $first) / $bucket AS bucket, platform, product
          FROM views
          WHERE occurred_at >= $start AND occurred_at < $end
            AND ($product IS NULL OR product = $product)
            AND ($platform IS NULL OR platform = $platform))
    GROUP BY bucket, platform, product
    ORDER BY bucket, platform, product";

/// What answers questions. Many can be asked at once.
#[derive(Debug)]
pub struct Engine {
    session: SessionState,
    columns: SchemaRef,
    cluster: Option<Cluster>,
}

impl Engine {
    /// An engine in this process, with this many threads.
    #[must_use]
    pub fn here(runtime: Arc<RuntimeEnv>, threads: usize) -> Self {
        let config = session::configured(SessionConfig::new().with_target_partitions(threads));
        Engine { session: session::state(config, runtime), columns: files::columns(&DataType::Utf8View), cluster: None }
    }

    /// An engine that is the client of the cluster of a scheduler, which works on this many parts of a question at
    /// once. Nothing is connected yet; every question does that, so that a lost scheduler is found again.
    ///
    /// # Errors
    /// Never: there is nothing to be reached yet.
    pub fn of_cluster(scheduler: Scheduler, runtime: Arc<RuntimeEnv>, parts: usize) -> anyhow::Result<Self> {
        let cluster = Cluster { scheduler };
        let session = cluster.session(runtime, parts)?;
        // Arrow's file format, in which parts of a cluster exchange rows, has no good way to write views of texts.
        Ok(Engine { session, columns: files::columns(&DataType::Utf8), cluster: Some(cluster) })
    }

    /// Asks a question. Views are counted when this returns; dropping what it returns, or the asking, ends the work.
    ///
    /// # Errors
    /// When the question cannot be asked, or there is no answer to it at the moment.
    pub async fn ask(&self, question: &Question) -> Result<Groups, Trouble> {
        question.check().map_err(Trouble::Question)?;
        if question.files.is_empty() || question.most == 0 {
            return Ok(Groups::none());
        }
        let Some(cluster) = &self.cluster else { return self.attempt(question).await };
        cluster.ready().await?;
        match self.attempt(question).await {
            // Its scheduler repeats what a lost executor did. What it cannot repeat is an answer that was complete,
            // and lost with its executor before it was fetched.
            Err(Trouble::Away { error, .. }) if cluster::lost_an_answer(&error) => {
                cluster.ready().await?;
                tracing::warn!(error, "the answer of the cluster was lost; asking again");
                self.attempt(question).await
            }
            Err(trouble) => Err(cluster.ready().await.err().unwrap_or(trouble)),
            answered => answered,
        }
    }

    /// Whether it could work on a question now.
    ///
    /// # Errors
    /// When its cluster cannot be reached, or has no executors.
    pub async fn ready(&self) -> Result<(), Trouble> {
        match &self.cluster {
            Some(cluster) => cluster.ready().await,
            None => Ok(()),
        }
    }

    async fn attempt(&self, question: &Question) -> Result<Groups, Trouble> {
        let session = self.session_of(question)?;
        let views = session.sql(VIEWS).await?.with_param_values(values(question))?;
        let task = Arc::new(views.task_ctx());
        let plan = views.create_physical_plan().await?;
        let job = self.cluster.as_ref().map(|cluster| cluster.job(&plan));
        Groups::of(execute_stream(plan, task)?, job, question.most).await
    }

    /// A session in which the files of the question are the table `views`, and in which no other question's are.
    fn session_of(&self, question: &Question) -> Result<SessionContext, Trouble> {
        let catalogs = MemoryCatalogProviderList::new();
        let options = &self.session.config_options().catalog;
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog.register_schema(&options.default_schema, Arc::new(MemorySchemaProvider::new()))?;
        catalogs.register_catalog(options.default_catalog.clone(), catalog);
        let session = SessionStateBuilder::new_from_existing(self.session.clone())
            .with_session_id(self.session.session_id().to_owned())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        let session = SessionContext::new_with_state(session);
        let files = Files { files: question.files.clone(), columns: Arc::clone(&self.columns) };
        session.register_table("views", Arc::new(files))?;
        Ok(session)
    }
}

fn values(question: &Question) -> Vec<(&'static str, ScalarValue)> {
    let time = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
    let (first, last) = (question.first_us(), question.last_us());
    vec![
        ("first", ScalarValue::Int64(Some(first))),
        ("bucket", ScalarValue::Int64(Some(question.bucket_us))),
        ("start", time(first)),
        ("end", time(last)),
        ("product", ScalarValue::Utf8(question.product.clone())),
        ("platform", ScalarValue::Utf8(question.platform.clone())),
    ]
}
