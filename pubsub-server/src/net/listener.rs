//! Accepts connections while the door is open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Connection, Door, Network};

/// Before trying again after the operating system refused to listen or to accept.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Listener {
    addr: SocketAddr,
    /// `None` while connections are refused.
    socket: Option<TcpListener>,
    door: watch::Receiver<Door>,
    network: Arc<Network>,
}

impl Listener {
    pub(crate) async fn bind(addr: SocketAddr, network: Arc<Network>) -> io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        Ok(Self { addr, socket: Some(socket), door: network.door(), network })
    }

    /// Where it listens, with the real port.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections for as long as the stream is polled; it never ends by itself.
    pub(crate) fn connections(self) -> impl Stream<Item = io::Result<Connection>> {
        stream::unfold(self, async |mut listener| {
            let connection = listener.next().await;
            Some((Ok(connection), listener))
        })
    }

    async fn next(&mut self) -> Connection {
        loop {
            let door = *self.door.borrow_and_update();
            if door == Door::Refuse {
                self.socket = None;
                self.door_moved().await;
                continue;
            }
            let Some(socket) = &self.socket else {
                self.listen_again().await;
                continue;
            };
            tokio::select! {
                // A door that moved counts for the client that comes next, even when both are ready.
                biased;
                _ = self.door.changed() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) if door == Door::Open => return self.welcome(stream),
                    Ok(_closed_by_dropping) => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    fn welcome(&self, stream: TcpStream) -> Connection {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small packets will be held back");
        }
        Connection::new(stream, Arc::clone(&self.network))
    }

    async fn door_moved(&mut self) {
        if self.door.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn listen_again(&mut self) {
        match TcpListener::bind(self.addr).await {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => {
                tracing::warn!(%error, addr = %self.addr, "cannot listen again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
