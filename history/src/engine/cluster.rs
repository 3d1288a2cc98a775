//! The cluster, seen from the process that asks it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ballista::prelude::SessionConfigExt as _;
use ballista_core::config::BallistaConfig;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::extension::SessionStateExt as _;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{CancelJobParams, CleanJobDataParams};
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use url::Url;

use super::codec::Codec;
use super::session;
use super::trouble::Trouble;

/// The port of a scheduler when its address names none.
const PORT: u16 = 50050;
/// How long the scheduler may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest message: a plan with its files, which takes some 200 bytes a file.
pub(crate) const MESSAGE_BYTES: u32 = 64 << 20;

const AWAY: &str = "the scheduler of the cluster cannot be reached at the moment";
const EMPTY: &str = "the cluster has no executors at the moment";

/// Where a cluster is.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// `host:port`
    scheduler: String,
}

impl Cluster {
    pub(super) fn at(address: &str) -> anyhow::Result<Self> {
        let url = Url::parse(address).ok().filter(|url| url.scheme() == "df");
        let host = url.as_ref().and_then(Url::host_str);
        let host = host.with_context(|| format!("{address} is no df://host:port"))?;
        let port = url.as_ref().and_then(Url::port).unwrap_or(PORT);
        Ok(Cluster { scheduler: format!("{host}:{port}") })
    }

    /// Its sessions have one id for as long as this process lives: a scheduler and its executors keep something of
    /// every session that they ever saw, and may use footers again within one.
    pub(super) fn session(&self, runtime: Arc<RuntimeEnv>, parts: usize) -> anyhow::Result<SessionState> {
        let config = configured(SessionConfig::new_with_ballista()).with_target_partitions(parts);
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
        let mut stream = TcpStream::connect(&self.scheduler).await?;
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

/// Settings of everything that takes part in a cluster.
pub(crate) fn configured(config: SessionConfig) -> SessionConfig {
    session::configured(config)
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES as usize)
        // A part of a question reads its own files and no others: who has those is somewhere else.
        .set_bool("datafusion.execution.enable_file_stream_work_stealing", false)
        // Who is gone is to be noticed soon, and what it had to be made again.
        .set_u64("ballista.client.grpc_connect_timeout_seconds", 3)
        .set_u64("ballista.client.grpc_http2_keepalive_interval_seconds", 5)
        .set_u64("ballista.client.io_retries_times", 1)
        .set_u64("ballista.client.io_retry_wait_time_ms", 500)
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
    /// Ends the work when there is a rest of the answer that nobody will read, and has the cluster remove what it
    /// keeps of the answer.
    pub(super) fn finish(self, unread: Option<SendableRecordBatchStream>) {
        // A process that ends tells nobody anything any more.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let cancel = unread.is_some();
            let Ok(Some(id)) = timeout(PATIENCE, self.id(unread)).await else { return };
            if let Err(error) = self.end(id, cancel).await {
                tracing::debug!(%error, "the cluster was not told that a question is over");
            }
        });
    }

    /// The scheduler names a job with the first of what it says of it: until then it is listened to.
    async fn id(&self, mut unread: Option<SendableRecordBatchStream>) -> Option<String> {
        let query = self.plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>()?;
        loop {
            if let Some(id) = query.job_id() {
                return Some(id.into());
            }
            let stream = unread.as_mut()?;
            tokio::select! {
                batch = stream.next() => if batch.is_none_or(|batch| batch.is_err()) { unread = None },
                () = sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    async fn end(&self, job_id: String, cancel: bool) -> anyhow::Result<()> {
        let config = GrpcClientConfig::from(&BallistaConfig::default());
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
