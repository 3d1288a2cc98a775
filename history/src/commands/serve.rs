//! `serve`: answers the questions of Purser's API.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args as Flags;
use purser::api::{self, Limits};
use purser::secret::Secret;
use purser::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::engine::{Engine, Resources, Scheduler};
use crate::serve::{Service, router};
use crate::store::Store;

#[derive(Debug, Flags)]
pub(super) struct Args {
    /// Where the history is: a folder, `file:///…`, `gs://…`, `s3://…` or `az://…`
    #[arg(long, env = "HISTORY_STORE", value_name = "URL")]
    store: String,
    /// Address to listen on
    #[arg(long, env = "HISTORY_ADDR", default_value = "127.0.0.1:8090")]
    addr: SocketAddr,
    /// Bearer token that may ask; unset, everybody may
    #[arg(long, env = "HISTORY_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// Scheduler of the cluster that does the work, such as `df://scheduler:50050`; unset, this process does it
    #[arg(long, env = "HISTORY_CLUSTER", value_name = "URL")]
    cluster: Option<Scheduler>,
    /// Parts of a question that are worked on at once; unset, as many as this process has cores, or 16 on a cluster
    #[arg(long, env = "HISTORY_PARTS")]
    parts: Option<NonZeroUsize>,
    /// Questions that are worked on at once
    #[arg(long, env = "HISTORY_QUESTIONS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    questions: u16,
    /// Seconds that a question waits for its turn
    #[arg(long, env = "HISTORY_PATIENCE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    patience_seconds: u64,
    /// Seconds after which a question is given up that has no answer yet
    #[arg(long, env = "HISTORY_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64,
    /// Connections at once, at the most
    #[arg(long, env = "HISTORY_CONNECTIONS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[command(flatten)]
    resources: Resources,
}

/// The parts of a question on a cluster, unless told otherwise: more than a few executors have cores.
const PARTS: usize = 16;

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.addr).await.with_context(|| format!("HISTORY_ADDR {}", args.addr))?;
    if args.token.is_none() && !args.addr.ip().is_loopback() {
        tracing::warn!("whoever reaches {} may ask: HISTORY_TOKEN is not set", args.addr);
    }
    tracing::info!(?args, "answering questions at http://{}", listener.local_addr()?);
    let limits = Limits { connections: args.connections.into(), ..Limits::default() };
    let router = router(service(args)?);
    api::serve(listener, router, limits, &Shutdown::on_signals()).await
}

fn service(args: Args) -> anyhow::Result<Service> {
    let store = Store::open(&args.store)?;
    let runtime = args.resources.runtime(store.url())?;
    let parts = args.parts.map(NonZeroUsize::get);
    let engine = match args.cluster {
        Some(cluster) => Engine::of_cluster(cluster, runtime, parts.unwrap_or(PARTS))?,
        None => Engine::here(runtime, parts.or(available_parallelism().ok().map(NonZeroUsize::get)).unwrap_or(1)),
    };
    Ok(Service {
        engine,
        store,
        token: args.token,
        room: Arc::new(Semaphore::new(args.questions.into())),
        patience: Duration::from_secs(args.patience_seconds),
        deadline: Duration::from_secs(args.timeout_seconds),
    })
}
