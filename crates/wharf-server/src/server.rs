//! The listener: bound, served, drained.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_engine::Engine;

use crate::app::{App, Shared};
use crate::auth::Auth;
use crate::budget::Budget;
use crate::config::ServerConfig;
use crate::front::front;
use crate::gate::Gate;
use crate::guard::Guard;
use crate::limit::Addresses;
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::slots::Slots;
use crate::terminals::Terminals;
use crate::{assets, connection, route, routes};

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Without keys everybody who can connect may run commands here.
    #[error("{0} can be reached from other machines: authentication cannot be switched off there")]
    Unauthenticated(IpAddr),
    /// There is no TLS in this server: that is a proxy's work, or a tunnel's.
    #[error(
        "{0} can be reached from other machines, and there is no TLS: the key, prompts, answers and files would travel in the clear"
    )]
    InTheClear(IpAddr),
    #[error("no key is configured: nobody could use the server")]
    NoKeys,
    #[error("cannot listen on {address}")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("the listener failed")]
    Listener(#[source] std::io::Error),
}

/// How often the drain looks whether the last turn has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// After the listener could not accept: open files are short, and a loop would eat the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound server.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    router: Router,
    slots: Arc<Slots>,
    pub(crate) app: App,
}

impl Server {
    /// Listens, but serves nothing yet: connections wait until [`Server::serve`] runs.
    pub fn bind(config: ServerConfig, engine: Engine) -> Result<Self, ServerError> {
        match &config.auth {
            Auth::None if !config.host.is_loopback() => return Err(ServerError::Unauthenticated(config.host)),
            Auth::Keys(keys) if keys.is_empty() => return Err(ServerError::NoKeys),
            Auth::Keys(_) if !config.host.is_loopback() && !config.insecure => {
                return Err(ServerError::InTheClear(config.host));
            }
            Auth::None | Auth::Keys(_) => {}
        }
        let wanted = SocketAddr::new(config.host, config.port);
        let listen = || {
            let listener = std::net::TcpListener::bind(wanted)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| ServerError::Bind { address: wanted, source })?;
        let (routes, mut catalogue) = route::build(routes::operations());
        let routes = assets::add(routes, &mut catalogue);
        let app = App::new(Shared {
            gate: Gate::new(&config.auth, &config.limits, &engine),
            guard: Guard::new(address, &config.allowed_hosts, &config.allowed_origins),
            failures: Addresses::new(&config.limits),
            visitors: Addresses::new(&config.limits),
            budget: Budget::new(config.limits.in_flight_bytes),
            metrics: Metrics::new(catalogue.names.len()),
            presence: Presence::default(),
            catalogue,
            terminals: Arc::new(Terminals::new(engine.config().state_dir.join("terminals"))),
            started: Instant::now(),
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            sockets: TaskTracker::new(),
            port: address.port(),
            engine,
            config,
        });
        let router = routes.layer(from_fn_with_state(app.clone(), front)).with_state(app.clone());
        let slots = Slots::new(app.config.limits.connections);
        Ok(Self { listener, address, router, slots, app })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves a connection that the caller has accepted, to its end. `address` is the other side's, where it has one: strangers
    /// are counted by it. Nothing where there is no room for one more.
    pub async fn serve_connection<S>(&self, stream: S, address: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match self.slots.take(&self.app.presence.tcp).await {
            Some(slot) => connection::serve(stream, address, slot, self.router.clone(), self.app.clone()).await,
            None => drop(self.app.metrics.connections_refused.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Serves until `shutdown`, then drains: not ready at once, clients are told, running turns get
    /// [`ServerConfig::drain_grace`], streams end, connections close. The engine is left to its owner to stop.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ServerError> {
        let listener = TcpListener::from_std(self.listener).map_err(ServerError::Listener)?;
        let mut connections = JoinSet::new();
        let mut drain = std::pin::pin!(drain(self.app.clone(), shutdown));
        loop {
            let accepted = tokio::select! {
                () = &mut drain => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = self.slots.take(&self.app.presence.tcp).await else {
                self.app.metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
                refuse(stream);
                continue;
            };
            // Small frames must not wait for each other.
            let _ = stream.set_nodelay(true);
            connections.spawn(connection::serve(
                stream,
                Some(address.ip()),
                slot,
                self.router.clone(),
                self.app.clone(),
            ));
        }
        drop(listener);
        self.app.sockets.close();
        let ended = async {
            while connections.join_next().await.is_some() {}
            self.app.sockets.wait().await;
        };
        if tokio::time::timeout(self.app.config.timeouts.close, ended).await.is_err() {
            tracing::warn!("some connections did not close in time and are cut off");
        }
        connections.shutdown().await;
        Ok(())
    }
}

/// From the wish to stop to the moment when streams end.
async fn drain(app: App, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    app.engine.drain();
    app.draining.cancel();
    let deadline = Instant::now() + app.config.drain_grace;
    while Instant::now() < deadline {
        if app.engine.busy() == 0 {
            break;
        }
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    app.closing.cancel();
}

/// Says no to a connection for which there is no room, without waiting for it.
fn refuse(stream: tokio::net::TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n\
        Connection: close\r\nContent-Length: 79\r\n\r\n\
        {\"error\":\"too many connections are open\",\"code\":\"UNAVAILABLE\",\"retryable\":true}";
    if let Ok(mut stream) = stream.into_std() {
        // Fits into an empty socket buffer; whoever does not take it learns it from the closed connection.
        let _ = std::io::Write::write(&mut stream, ANSWER);
    }
}
