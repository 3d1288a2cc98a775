//! `executor`: one of the hands of a cluster.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::executor_server::TERMINATING;
use clap::Args as Flags;
use datafusion::execution::runtime_env::RuntimeEnv;
use purser::shutdown::Shutdown;

use crate::engine::Resources;
use crate::engine::parts::{MESSAGE_BYTES, Scheduler, config};
use crate::store::Store;

#[derive(Debug, Flags)]
pub(super) struct Args {
    /// Where the history is: the same for everything that takes part in the cluster
    #[arg(long, env = "HISTORY_STORE", value_name = "URL")]
    store: String,
    /// Scheduler of the cluster
    #[arg(long, env = "HISTORY_CLUSTER", value_name = "URL", default_value = "df://127.0.0.1:50050")]
    cluster: Scheduler,
    /// Address to listen on; who reaches it can use this executor: for a private network only
    #[arg(long, env = "HISTORY_EXECUTOR_BIND", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Name or address under which the rest of the cluster reaches it; unset, what the scheduler sees
    #[arg(long, env = "HISTORY_EXECUTOR_HOST")]
    host: Option<String>,
    /// Port from which others fetch rows
    #[arg(long, env = "HISTORY_EXECUTOR_PORT", default_value_t = 50051)]
    port: u16,
    /// Port on which the scheduler hands out work
    #[arg(long, env = "HISTORY_EXECUTOR_GRPC_PORT", default_value_t = 50052)]
    grpc_port: u16,
    /// Parts of questions that it works on at once; unset, as many as there are cores
    #[arg(long, env = "HISTORY_EXECUTOR_CORES")]
    cores: Option<NonZeroUsize>,
    /// Folder for rows on their way and for what does not fit into memory; unset, that of the system
    #[arg(long, env = "HISTORY_WORK_DIR")]
    work_dir: Option<PathBuf>,
    #[command(flatten)]
    resources: Resources,
}

/// The sooner it is missed, the sooner its work is done again.
const HEARTBEAT_SECONDS: u64 = 1;
/// How long after its scheduler was lost it looks for it again.
const PAUSE: Duration = Duration::from_secs(1);
/// Rows that nobody fetched: longer than any question may take.
const ROWS_SECONDS: u64 = 2 * 3600;
/// How often those are looked for.
const LOOK_SECONDS: u64 = 600;

pub(super) async fn run(mut args: Args) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals();
    let folder = folder(&args)?;
    args.resources.spill_dir.get_or_insert_with(|| folder.join("spilled"));
    let runtime = args.resources.runtime(Store::open(&args.store)?.url())?;
    tracing::info!(?args, "working for {}", args.cluster);
    while !shutdown.soft().is_cancelled() {
        let worked = start_executor_process(Arc::new(configured(&args, &folder, &runtime)));
        // Told to stop, it takes no more work, finishes what it has, and ends; but does not wait for ever.
        let Some(ended) = shutdown.hard().run_until_cancelled(worked).await else { break };
        if !shutdown.soft().is_cancelled() {
            let error = ended.err().map(|error| error.to_string());
            tracing::warn!(error, "there is no scheduler at {}; looking for it", args.cluster);
            TERMINATING.store(false, Ordering::Release);
            shutdown.soft().run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("{} stays behind", folder.display()))
}

/// The folder of whatever listens on this port, emptied of what one left behind that was killed.
fn folder(args: &Args) -> anyhow::Result<PathBuf> {
    for port in [args.port, args.grpc_port] {
        TcpListener::bind((args.bind, port)).with_context(|| format!("{}:{port}", args.bind))?;
    }
    let parent = args.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!("purser-history-executor-{}", args.port));
    let made = || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        ["rows", "spilled"].iter().try_for_each(|part| fs::create_dir_all(folder.join(part)))
    };
    made().with_context(|| format!("HISTORY_WORK_DIR {}", folder.display()))?;
    Ok(folder)
}

fn configured(args: &Args, folder: &std::path::Path, runtime: &Arc<RuntimeEnv>) -> ExecutorProcessConfig {
    let runtime = Arc::clone(runtime);
    let bind_host = if args.bind.is_ipv6() { format!("[{}]", args.bind) } else { args.bind.to_string() };
    let cores = args.cores.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    ExecutorProcessConfig {
        bind_host,
        external_host: args.host.clone(),
        port: args.port,
        grpc_port: args.grpc_port,
        scheduler_host: args.cluster.host.clone(),
        scheduler_port: args.cluster.port,
        vcores: cores,
        work_dir: Some(folder.join("rows").display().to_string()),
        job_data_ttl_seconds: ROWS_SECONDS,
        job_data_clean_up_interval_seconds: LOOK_SECONDS,
        grpc_max_decoding_message_size: MESSAGE_BYTES,
        grpc_max_encoding_message_size: MESSAGE_BYTES,
        executor_heartbeat_interval_seconds: HEARTBEAT_SECONDS,
        memory_pool_size: Some(args.resources.memory()),
        override_config_producer: Some(Arc::new(config)),
        override_runtime_producer: Some(Arc::new(move |_| Ok(Arc::clone(&runtime)))),
        ..ExecutorProcessConfig::default()
    }
}
