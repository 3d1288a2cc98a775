//! A TCP connection that can be frozen (it stays open and nothing moves) and cut.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::server::Connected;

use super::Network;
use crate::sync::lock;

/// The switch of one connection.
pub(super) struct Link {
    frozen: AtomicBool,
    cut: AtomicBool,
    /// Of the tasks that read and write; they must look again when the switch is turned.
    wakers: Mutex<[Option<Waker>; 2]>,
}

#[derive(Clone, Copy)]
enum Side {
    Read = 0,
    Write = 1,
}

impl Link {
    pub(super) fn new(frozen: bool) -> Self {
        Self { frozen: AtomicBool::new(frozen), cut: AtomicBool::new(false), wakers: Mutex::default() }
    }

    pub(super) fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ready when bytes may move.
    fn poll_usable(&self, side: Side, cx: &Context<'_>) -> Poll<io::Result<()>> {
        // Registered before looking, so that a turn of the switch in between is not missed.
        lock(&self.wakers)[side as usize] = Some(cx.waker().clone());
        if self.cut.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.frozen.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    id: u64,
    link: Arc<Link>,
    network: Arc<Network>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, network: Arc<Network>) -> Self {
        let (id, link) = network.register();
        Self { stream, id, link, network }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.network.forget(self.id);
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.link.poll_usable(Side::Read, cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.link.poll_usable(Side::Write, cx))?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.link.poll_usable(Side::Write, cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.link.poll_usable(Side::Write, cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.link.poll_usable(Side::Write, cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
