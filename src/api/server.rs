//! Connections: how many, how long each may be silent, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use super::limits::{Crowded, Limits};
use super::patience::Patient;
use crate::shutdown::Shutdown;

/// The most headers of a request.
const HEADERS: usize = 100;
/// The most bytes of a request before its body.
const HEAD_BYTES: usize = 32 << 10;
/// The most bytes that are read ahead.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections beyond the limit: there, a probe is answered, and everybody else told to come again.
const CROWDED: usize = 64;
/// How long those may take to bring their request.
const CROWDED_IDLE: Duration = Duration::from_secs(1);
/// How long after an accept that failed (no file descriptor is left, say) the next is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process is told to stop and the requests in flight are answered, or it gives up.
///
/// # Errors
/// None: a connection that cannot be accepted is tried again.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: &Shutdown) -> anyhow::Result<()> {
    let connections = GracefulShutdown::new();
    let all = Arc::new(Semaphore::new(limits.connections));
    let crowd = Arc::new(Semaphore::new(CROWDED));
    let accepting = async {
        loop {
            let Some((stream, peer)) = accepted(listener.accept().await).await else { continue };
            let (place, crowded) = place(&all, &crowd).await;
            let connection = Connection { router: router.clone(), peer, crowded };
            let served = connections.watch(connection.builder(limits.idle).serve_connection(
                TokioIo::new(Patient::new(stream)),
                service_fn(move |request| connection.clone().answer(request)),
            ));
            tokio::spawn(async move {
                // How a connection ended concerns its client alone.
                let _ = served.await;
                drop(place);
            });
        }
    };
    let _: Option<Infallible> = shutdown.soft().run_until_cancelled(accepting).await;
    drop(listener);
    if shutdown.unless_given_up(connections.shutdown()).await.is_err() {
        tracing::warn!("requests in flight were not answered");
    }
    Ok(())
}

async fn accepted(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((stream, peer)) => {
            // An answer is not to wait for more to send; that it may is no reason to give none.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::debug!(%error, "a connection was not accepted");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// A place among the connections, or among those that are one too many. While there is none of either,
/// nobody is accepted; such places are soon free.
async fn place(all: &Arc<Semaphore>, crowd: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, bool) {
    match Arc::clone(all).try_acquire_owned() {
        Ok(place) => (Some(place), false),
        Err(_) => (Arc::clone(crowd).acquire_owned().await.ok(), true),
    }
}

#[derive(Clone)]
struct Connection {
    router: Router,
    peer: SocketAddr,
    crowded: bool,
}

impl Connection {
    fn builder(&self, idle: Duration) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).max_headers(HEADERS).max_header_size(HEAD_BYTES).max_buf_size(BUFFER_BYTES);
        builder.header_read_timeout(if self.crowded { idle.min(CROWDED_IDLE) } else { idle });
        builder.keep_alive(!self.crowded);
        builder
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if self.crowded {
            request.extensions_mut().insert(Crowded);
        }
        self.router.oneshot(request).await
    }
}
