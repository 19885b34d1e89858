//! One connection, over whatever stream: HTTP/1.1 on it, and the watch over a client that stops reading.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tower::ServiceExt;

use crate::app::App;
use crate::budget::Hold;
use crate::slots::Slot;

/// Bytes of a request's header, and of an answer that hyper holds before it asks for more of it.
const BUFFER_BYTES: usize = 64 << 10;

/// What handlers know of the connection that a request came on.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where it comes from; a stream that is not a network's has none.
    pub(crate) address: Option<IpAddr>,
    pub(crate) traffic: Arc<Traffic>,
    /// Held by whoever still works on the connection, after an upgrade too.
    slot: Arc<Slot>,
}

impl Peer {
    /// The connection has shown a key.
    pub(crate) fn known(&self) {
        self.slot.known();
        self.traffic.unread.known();
    }
}

#[derive(Debug)]
pub(crate) struct Traffic {
    /// Bytes that the client took.
    pub(crate) written: AtomicU64,
    /// Bytes that have come and that nothing was made of. Of a connection without a key all of them count, of a WebSocket those of
    /// messages that are not whole or not served; a body counts where it is read.
    pub(crate) unread: Hold,
    /// The budget had no room for what came.
    pub(crate) is_full: AtomicBool,
    /// The connection is a WebSocket: its writer watches for stalls, so that it can say why it closes.
    pub(crate) upgraded: AtomicBool,
}

/// Serves one connection to its end.
pub(crate) async fn serve<S>(stream: S, address: Option<IpAddr>, slot: Slot, router: Router, app: App)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let slot = Arc::new(slot);
    let traffic = Traffic {
        written: AtomicU64::new(0),
        unread: app.budget.hold_for_stranger(),
        is_full: AtomicBool::new(false),
        upgraded: AtomicBool::new(false),
    };
    let peer = Peer { address, traffic: Arc::new(traffic), slot: Arc::clone(&slot) };
    let io = Watched { stream, traffic: Arc::clone(&peer.traffic), app: app.clone(), stalled: None };
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        // The header has become a request.
        peer.traffic.unread.clear();
        request.extensions_mut().insert(peer.clone());
        request
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.timeouts.header)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut first_request = std::pin::pin!(sleep(app.config.timeouts.first_request));
    let mut is_watched = true;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return log_end(ended),
            // Dropped as it is: whoever needs the room has a key, or comes later.
            () = slot.evicted() => {
                app.metrics.connections_evicted.fetch_add(1, Ordering::Relaxed);
                return;
            }
            () = &mut first_request, if is_watched => {
                // A key that was shown meanwhile makes it a client's.
                if !slot.is_known() {
                    break;
                }
                is_watched = false;
            }
            () = app.closing.cancelled() => break,
        }
    }
    // What is being answered is answered.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => log_end(ended),
        () = slot.evicted() => {}
        // A header that comes byte by byte would hold the connection open.
        () = sleep(app.config.timeouts.close), if !slot.is_known() => {}
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        // Clients leave in the middle of things all the time.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A stream whose writes fail once the other side takes nothing for too long.
struct Watched<S> {
    stream: S,
    traffic: Arc<Traffic>,
    app: App,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// `written` passes through, unless it waits for too long.
    fn watch(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.stalled = None;
                if let Ok(bytes) = written {
                    self.traffic.written.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                Poll::Ready(written)
            }
            Poll::Pending if self.traffic.upgraded.load(Ordering::Relaxed) => Poll::Pending,
            Poll::Pending => {
                let limit = self.app.config.timeouts.stall;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
                ready!(stalled.as_mut().poll(cx));
                self.app.metrics.clients_stalled.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let come = buf.filled().len() - before;
        let counts = self.traffic.upgraded.load(Ordering::Relaxed) || self.traffic.unread.is_strangers();
        if counts && self.traffic.unread.grow(come).is_err() {
            self.traffic.is_full.store(true, Ordering::Relaxed);
            self.app.metrics.over_budget.fetch_add(1, Ordering::Relaxed);
            let reason = "too many bytes of unfinished requests are held already";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, reason)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
