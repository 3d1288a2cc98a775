//! `scheduler`: the head of a cluster.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Args as Flags;
use purser::shutdown::Shutdown;

use crate::engine::Resources;
use crate::engine::codec::Codec;
use crate::engine::parts::{MESSAGE_BYTES, config};
use crate::engine::session;
use crate::store::Store;

#[derive(Debug, Flags)]
pub(super) struct Args {
    /// Where the history is: the same for everything that takes part in the cluster
    #[arg(long, env = "HISTORY_STORE", value_name = "URL")]
    store: String,
    /// Address to listen on; who reaches it can use the cluster: for a private network only
    #[arg(long, env = "HISTORY_SCHEDULER_ADDR", default_value = "127.0.0.1:50050")]
    addr: SocketAddr,
    /// Name or address under which executors reach it; unset, that of `--addr`
    #[arg(long, env = "HISTORY_SCHEDULER_HOST")]
    host: Option<String>,
    /// Seconds of silence, of a heartbeat a second, after which an executor is lost and its work done again
    #[arg(long, env = "HISTORY_EXECUTOR_TIMEOUT_SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(3..=600))]
    executor_timeout_seconds: u64,
    #[command(flatten)]
    resources: Resources,
}

/// How long the last executor of a cluster may be gone before the questions that were worked on are given up.
const GRACE_SECONDS: u64 = 30;
/// How often lost executors are looked for.
const LOOK_SECONDS: u64 = 1;
/// What the scheduler remembers of a question that is over.
const MEMORY_SECONDS: u64 = 300;

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals();
    let (addr, config) = (args.addr, Arc::new(configured(&args)?));
    let cluster = BallistaCluster::new_from_config(&config).await?;
    tracing::info!(?args, "scheduling at df://{addr}");
    let serving = start_server(cluster, addr, config);
    // What it knows of questions is lost with it; whoever asked them asks again.
    shutdown
        .soft()
        .run_until_cancelled(serving)
        .await
        .transpose()
        .with_context(|| format!("no scheduler at {addr}"))?;
    Ok(())
}

fn configured(args: &Args) -> anyhow::Result<SchedulerConfig> {
    let runtime = args.resources.runtime(Store::open(&args.store)?.url())?;
    Ok(SchedulerConfig {
        external_host: host(args)?,
        bind_host: args.addr.ip().to_string(),
        bind_port: args.addr.port(),
        executor_timeout_seconds: args.executor_timeout_seconds,
        expire_dead_executor_interval_seconds: LOOK_SECONDS,
        // One that is told to stop finishes what it has, for as long as it stays.
        executor_termination_grace_period: Shutdown::GRACE.as_secs(),
        no_executors_grace_period_seconds: GRACE_SECONDS.max(args.executor_timeout_seconds),
        finished_job_state_clean_up_interval_seconds: MEMORY_SECONDS,
        grpc_server_max_decoding_message_size: MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MESSAGE_BYTES,
        grpc_client_max_message_size: MESSAGE_BYTES,
        override_logical_codec: Some(Arc::new(Codec::default())),
        override_config_producer: Some(Arc::new(config)),
        override_session_builder: Some(Arc::new(move |config| Ok(session::state(config, Arc::clone(&runtime))))),
        ..SchedulerConfig::default()
    })
}

/// Executors are told it with every task, and report there.
fn host(args: &Args) -> anyhow::Result<String> {
    match (&args.host, args.addr.ip()) {
        (Some(host), _) => Ok(host.clone()),
        (None, ip) if ip.is_unspecified() => bail!("HISTORY_SCHEDULER_HOST (--host) is not set: executors need a name"),
        (None, IpAddr::V4(ip)) => Ok(ip.to_string()),
        (None, IpAddr::V6(ip)) => Ok(format!("[{ip}]")),
    }
}
