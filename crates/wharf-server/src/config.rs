//! What a server is run with. The binary composes it; nothing here reads an environment.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use wharf_protocol::rest::Limits;

use crate::auth::Auth;

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub host: IpAddr,
    /// 0: a free one.
    pub port: u16,
    pub auth: Auth,
    /// Origins of web pages that may call, for example `https://app.example` or `http://localhost:*`. The server's own pages
    /// need no entry.
    pub allowed_origins: Vec<String>,
    /// Further values of `Host` that are ours: `name`, or `name:port` where it differs from the port that we listen on.
    pub allowed_hosts: Vec<String>,
    pub limits: Limits,
    /// For display: where sessions work that name no directory.
    pub work_dir: PathBuf,
    /// How long running turns get to end after a stop was asked for.
    pub drain_grace: Duration,
    pub timeouts: Timeouts,
    /// Each ACP connection's messages go to a file in this directory.
    pub trace: Option<PathBuf>,
    /// Listens on addresses that other machines reach, although keys, prompts and files travel unencrypted.
    pub insecure: bool,
}

impl ServerConfig {
    /// The defaults: loopback, port 4096.
    #[must_use]
    pub fn new(auth: Auth) -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 4096,
            auth,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            limits: Limits::default(),
            work_dir: PathBuf::from("."),
            drain_grace: Duration::from_secs(25),
            timeouts: Timeouts::default(),
            trace: None,
            insecure: false,
        }
    }
}

/// How long the other side may take.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From the connection to its first request with a key: one without is closed then.
    pub first_request: Duration,
    /// For a request's header; also how long an idle connection stays open for the next request.
    pub header: Duration,
    /// For a request's body.
    pub body: Duration,
    /// Without taking a single byte of what is sent to it.
    pub stall: Duration,
    /// Silence on a stream, before it is told that it lives.
    pub keep_alive: Duration,
    /// Between two pings on a WebSocket.
    pub ping: Duration,
    /// A WebSocket with no request running that sends nothing, not even a pong.
    pub idle: Duration,
    /// For what is open after the drain, before it is cut off.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_request: Duration::from_secs(10),
            header: Duration::from_secs(30),
            body: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            ping: Duration::from_secs(20),
            idle: Duration::from_secs(120),
            close: Duration::from_secs(5),
        }
    }
}
