//! Starting, asking and stopping a server.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Server as Transport;

use crate::broker::Broker;
use crate::config::Config;
use crate::events::Event;
use crate::faults::Faults;
use crate::grpc::Service;
use crate::net::{Listener, Network};
use crate::proto::publisher_server::PublisherServer;
use crate::proto::subscriber_server::SubscriberServer;
use crate::rest;
use crate::stats::{Stats, SubscriptionStats};

/// How often leases are looked at; a message comes back at most this much after its deadline.
const LEASE_TICK: Duration = Duration::from_millis(50);
/// How long an orderly stop waits for clients that do not hang up.
const PATIENCE: Duration = Duration::from_secs(1);
const SHORT_WHILE: Duration = Duration::from_millis(5);
/// A request of 10 MB is answered with a reason; only far larger ones are cut off by the transport.
const MAX_REQUEST: usize = 32 << 20;
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A running server. [`Server::shutdown`] stops it in an orderly way; dropping it is [`Server::crash`],
/// except that the port becomes free moments later. It keeps nothing on disk: topics, subscriptions and messages go with it.
pub struct Server {
    addr: SocketAddr,
    faults: Faults,
    serving: JoinHandle<()>,
    expiring: JoinHandle<()>,
}

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Somebody else listens there.
    AddressInUse {
        /// Where.
        addr: SocketAddr,
    },
    /// The operating system does not let us listen there.
    Bind {
        /// Where.
        addr: SocketAddr,
        /// What the operating system says.
        reason: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse { addr } => write!(f, "{addr} is already in use"),
            Self::Bind { addr, reason } => write!(f, "cannot listen on {addr}: {reason}"),
        }
    }
}

// The reason of the operating system is part of the message, so it is not repeated as a source.
impl Error for StartError {}

impl Server {
    /// Listens and serves on the current tokio runtime; clients can connect when this returns.
    ///
    /// # Errors
    /// When the address is taken or cannot be listened on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let network = Network::new();
        let listener =
            Listener::bind(config.addr, Arc::clone(&network)).await.map_err(|reason| match reason.kind() {
                io::ErrorKind::AddrInUse => StartError::AddressInUse { addr: config.addr },
                _ => StartError::Bind { addr: config.addr, reason },
            })?;
        let addr = listener.addr();
        let broker = Broker::new(&config);
        let serving = tokio::spawn(serve(Arc::clone(&broker), listener));
        let expiring = tokio::spawn(expire_leases(Arc::clone(&broker)));
        Ok(Self { addr, faults: Faults { broker, network }, serving, expiring })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:8085`, as clients want their endpoint. (`PUBSUB_EMULATOR_HOST` has no `http://`.)
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The switches that make it misbehave.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Counters of the whole server.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let open_connections = self.faults.network.open_connections();
        Stats { open_connections, ..self.broker().stats() }
    }

    /// Counters of one subscription, by its full name; `None` when there is no such subscription.
    #[must_use]
    pub fn subscription_stats(&self, name: &str) -> Option<SubscriptionStats> {
        Some(self.broker().subscription(name).ok()?.stats())
    }

    /// Ids of the messages that the subscription holds and nobody has acknowledged, in the order of
    /// publishing, each once. Empty when there is no such subscription.
    #[must_use]
    pub fn unacked(&self, subscription: &str) -> Vec<String> {
        self.broker().subscription(subscription).map(|found| found.unacknowledged()).unwrap_or_default()
    }

    /// What happened, oldest first; empty unless [`Config::event_log`] is set.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.broker().shared.events.snapshot()
    }

    /// Ends all streams with `UNAVAILABLE`, answers what is in progress, and stops. Clients that do not
    /// hang up within a second are cut off.
    pub async fn shutdown(self) {
        self.broker().shared.stopping.cancel();
        let clients_left = async {
            while !self.serving.is_finished() {
                tokio::time::sleep(SHORT_WHILE).await;
            }
        };
        if tokio::time::timeout(PATIENCE, clients_left).await.is_err() {
            tracing::debug!("cutting off the clients that are still connected");
        }
        self.crash().await;
    }

    /// Stops at once, as a killed process would: streams break off in the middle. When this returns,
    /// the port is free for the next server.
    pub async fn crash(mut self) {
        self.stop();
        let _cancelled = (&mut self.serving).await;
        let _cancelled = (&mut self.expiring).await;
    }

    fn stop(&self) {
        self.broker().shared.stopping.cancel();
        self.serving.abort();
        self.expiring.abort();
        // The transport serves each connection in a task of its own; without its socket it ends.
        self.faults.network.cut();
    }

    fn broker(&self) -> &Broker {
        &self.faults.broker
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(broker: Arc<Broker>, listener: Listener) {
    let stopping = broker.shared.stopping.clone();
    let service = Service { broker };
    let publisher = PublisherServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    let subscriber = SubscriberServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    let grpc = Routes::new(publisher).add_service(subscriber).into_axum_router();
    let served = Transport::builder()
        // REST clients speak HTTP/1.1.
        .accept_http1(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_routes(Routes::from(rest::add_routes(grpc, service)))
        .serve_with_incoming_shutdown(listener.connections(), stopping.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the Pub/Sub server stopped");
    }
}

async fn expire_leases(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(LEASE_TICK);
    loop {
        ticks.tick().await;
        broker.expire_leases(Instant::now());
    }
}
