//! The cluster, seen from the process that asks it.

use std::sync::Arc;
use std::time::Duration;

use ballista::prelude::SessionConfigExt as _;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::extension::SessionStateExt as _;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{CancelJobParams, CleanJobDataParams};
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::codec::Codec;
use super::parts::{Scheduler, config};
use super::session;
use super::trouble::Trouble;

/// How long the scheduler may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);
const AWAY: &str = "the scheduler of the cluster cannot be reached at the moment";
const EMPTY: &str = "the cluster has no executors at the moment";

/// The cluster of a scheduler.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) scheduler: Scheduler,
}

impl Cluster {
    /// Its sessions have one id for as long as this process lives: a scheduler and its executors keep something of
    /// every session that they ever saw, and may use footers again within one.
    pub(super) fn session(&self, runtime: Arc<RuntimeEnv>, parts: usize) -> anyhow::Result<SessionState> {
        let config = config().with_target_partitions(parts);
        let config = config.with_ballista_logical_extension_codec(Arc::new(Codec::default()));
        Ok(session::state(config, runtime).upgrade_for_ballista(self.url())?)
    }

    fn url(&self) -> String {
        format!("http://{}", self.scheduler)
    }

    /// Whether the scheduler is there, and has executors: it says so on the port of its clients.
    pub(super) async fn ready(&self) -> Result<(), Trouble> {
        match timeout(PATIENCE, self.status()).await {
            Ok(Ok(200)) => Ok(()),
            Ok(Ok(_)) => Err(Trouble::away(EMPTY, &self.scheduler)),
            Ok(Err(error)) => Err(Trouble::away(AWAY, format!("{}: {error}", self.scheduler))),
            Err(_) => Err(Trouble::away(AWAY, format!("{}: no answer", self.scheduler))),
        }
    }

    async fn status(&self) -> std::io::Result<u16> {
        let mut stream = TcpStream::connect(self.scheduler.to_string()).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.scheduler);
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let status = std::str::from_utf8(&head).ok().and_then(|head| head.strip_prefix("HTTP/1.1 ")?.parse().ok());
        status.ok_or_else(|| std::io::Error::other("no scheduler answers there"))
    }

    /// What a plan is for the cluster.
    pub(super) fn job(&self, plan: &Arc<dyn ExecutionPlan>) -> Job {
        Job { cluster: self.clone(), plan: Arc::clone(plan) }
    }
}

/// Whether an error is about rows that an executor had and nobody can fetch any more.
pub(super) fn lost_an_answer(error: &str) -> bool {
    ["FetchFailed", "GrpcConnectionError", "GrpcActionError", "transport error"].iter().any(|lost| error.contains(lost))
}

/// A question that the cluster works on.
pub(super) struct Job {
    cluster: Cluster,
    plan: Arc<dyn ExecutionPlan>,
}

impl Job {
    /// Has the cluster end the work that somebody was waiting for on this stream, or else remove what it keeps of the
    /// answer.
    pub(super) fn finish(self, waited: Option<SendableRecordBatchStream>) {
        // A process that ends tells nobody anything any more.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let cancel = waited.is_some();
            let Ok(Some(id)) = timeout(PATIENCE, self.id(waited)).await else { return };
            if let Err(error) = self.end(id, cancel).await {
                tracing::debug!(%error, "the cluster was not told that a question is over");
            }
        });
    }

    /// The scheduler names a job when it takes it: until then it is waited for.
    async fn id(&self, mut waited: Option<SendableRecordBatchStream>) -> Option<String> {
        let query = self.plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>()?;
        loop {
            if let Some(id) = query.job_id() {
                return Some(id.into());
            }
            let stream = waited.as_mut()?;
            tokio::select! {
                batch = stream.next() => if batch.is_none_or(|batch| batch.is_err()) { waited = None },
                () = sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    async fn end(&self, job_id: String, cancel: bool) -> anyhow::Result<()> {
        let config = GrpcClientConfig::from(&config().ballista_config());
        let connection = create_grpc_client_endpoint(self.cluster.url(), Some(&config))?.connect().await?;
        let mut scheduler = SchedulerGrpcClient::new(connection);
        if cancel {
            scheduler.cancel_job(CancelJobParams { job_id }).await?;
        } else {
            scheduler.clean_job_data(CleanJobDataParams { job_id, remove_stage_ids: Vec::new() }).await?;
        }
        Ok(())
    }
}
