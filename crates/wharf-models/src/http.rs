//! HTTP to providers: clients that are built when first needed, time limits, and one more try on a fresh connection.

pub(crate) mod failure;
mod proxy;

pub use proxy::ProxyChoice;
pub(crate) use proxy::Via;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Certificate, Client, ClientBuilder, Method, Response, Url};
use wharf_protocol::model::{ModelError, ModelErrorKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept for each provider.
const IDLE_CONNECTIONS: usize = 32;

/// Shorter than the keep-alive time of the common servers, most of which close after 60 seconds or more.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(50);

/// The status with which a proxy asks for a user and a password.
pub(crate) const PROXY_AUTHENTICATION: u16 = 407;

/// How a provider's servers are reached.
#[derive(Clone, Default)]
pub(crate) struct Network {
    /// Of the process; it names proxies, as the usual variables do.
    pub environment: BTreeMap<String, String>,
    /// In place of the environment's.
    pub proxy: Option<ProxyChoice>,
    /// What set `proxy`, for the user.
    pub proxy_setting: String,
    pub authorities: Option<Authorities>,
    /// Longest time for a connection to come about.
    pub connect: Option<Duration>,
}

/// Authorities whose certificates are taken beside those that the system trusts.
#[derive(Clone)]
pub struct Authorities {
    /// A PEM file as it was read, or why it could not be.
    pub pem: Result<Vec<u8>, String>,
    /// What the user changes: the key of the configuration.
    pub setting: String,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("setting", &self.setting).finish_non_exhaustive()
    }
}

/// What all models of one process share that are reached in the same way.
#[derive(Default)]
pub(crate) struct Transport {
    network: Network,
    plain: OnceLock<Result<Client, String>>,
    plain_fresh: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
    tls_fresh: OnceLock<Result<Client, String>>,
}

/// Where requests go, with what the transport remembers of it.
pub(crate) struct Endpoint {
    pub url: Url,
    /// With each request. Those that hold a key are marked as sensitive.
    pub headers: HeaderMap,
    /// An answer came from here before, so that a connection may be a kept one.
    answered: AtomicBool,
}

impl Endpoint {
    pub(crate) fn new(url: Url, headers: HeaderMap) -> Self {
        Self { url, headers, answered: AtomicBool::new(false) }
    }
}

impl Transport {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, ..Self::default() }
    }

    /// The proxy that requests to `url` go through.
    pub(crate) fn via(&self, url: &Url) -> Option<Via> {
        self.network.via(url.scheme() == "https").filter(|via| via.takes(url))
    }

    /// Posts JSON and waits for the answer's head.
    ///
    /// Servers close connections that they said they would keep. Where that may have been the cause, the request goes
    /// out once more on a fresh connection; nothing of an answer has come by then.
    pub(crate) async fn post(&self, endpoint: &Endpoint, body: Bytes, idle: Duration) -> Result<Response, ModelError> {
        let reused = endpoint.answered.load(Ordering::Relaxed);
        let first = self.send(endpoint, Method::POST, Some(body.clone()), idle, false).await;
        let answer = match first {
            Err(Unsent::Http(error)) if reused && may_be_stale(&error) => {
                tracing::debug!(
                    error = failure::chain(&error),
                    "a kept connection broke, asking once more on a fresh one"
                );
                self.send(endpoint, Method::POST, Some(body), idle, true).await
            }
            other => other,
        };
        let response = answer.map_err(|unsent| self.failure(unsent, &endpoint.url, idle))?;
        endpoint.answered.store(true, Ordering::Relaxed);
        self.passed(response, &endpoint.url)
    }

    pub(crate) async fn get(&self, endpoint: &Endpoint, limit: Duration) -> Result<Response, ModelError> {
        let answer = self.send(endpoint, Method::GET, None, limit, false).await;
        let response = answer.map_err(|unsent| self.failure(unsent, &endpoint.url, limit))?;
        self.passed(response, &endpoint.url)
    }

    /// An answer that came from the server, and not from a proxy before it.
    fn passed(&self, response: Response, url: &Url) -> Result<Response, ModelError> {
        match self.via(url).filter(|_| response.status().as_u16() == PROXY_AUTHENTICATION) {
            Some(via) => Err(refused_by(&via, "it wants a user and a password")),
            None => Ok(response),
        }
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        method: Method,
        body: Option<Bytes>,
        idle: Duration,
        fresh: bool,
    ) -> Result<Response, Unsent> {
        let client = self.client(&endpoint.url, fresh).map_err(Unsent::Client)?;
        let mut request = client.request(method, endpoint.url.clone()).headers(endpoint.headers.clone());
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .header(ACCEPT, "text/event-stream, application/json")
                // A compressing proxy would hold tokens back.
                .header(ACCEPT_ENCODING, "identity")
                .body(body);
        }
        match tokio::time::timeout(idle, request.send()).await {
            Ok(answer) => answer.map_err(Unsent::Http),
            Err(_) => Err(Unsent::Silent),
        }
    }

    fn client(&self, url: &Url, fresh: bool) -> Result<&Client, String> {
        let tls = url.scheme() == "https";
        let slot = match (tls, fresh) {
            (false, false) => &self.plain,
            (false, true) => &self.plain_fresh,
            (true, false) => &self.tls,
            (true, true) => &self.tls_fresh,
        };
        slot.get_or_init(|| self.build(tls, fresh)).as_ref().map_err(Clone::clone)
    }

    fn build(&self, tls: bool, fresh: bool) -> Result<Client, String> {
        wharf_tls::choose_provider();
        let mut builder = ClientBuilder::new()
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.network.connect.unwrap_or(CONNECT_TIMEOUT))
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            .pool_max_idle_per_host(if fresh { 0 } else { IDLE_CONNECTIONS })
            // A redirect would take prompts, or a key, where nobody sent them.
            .redirect(reqwest::redirect::Policy::none());
        // Not the process's environment: only what was passed in.
        builder = builder.no_proxy();
        if let Some(via) = self.network.via(tls) {
            builder = via.apply(builder)?;
        }
        if let Some(authorities) = self.network.authorities.as_ref().filter(|_| tls) {
            builder = builder.tls_certs_merge(authorities.certificates()?);
        }
        if !tls {
            // Reading the system's certificates takes longer than a local model's first token.
            builder = builder.tls_certs_only([]).http1_only();
        }
        builder.build().map_err(|error| format!("could not set up HTTP: {}", failure::chain(&error)))
    }
}

enum Unsent {
    Client(String),
    Http(reqwest::Error),
    Silent,
}

impl Network {
    fn via(&self, tls: bool) -> Option<Via> {
        Via::find(self.proxy.as_ref(), &self.proxy_setting, &self.environment, tls)
    }
}

impl Authorities {
    fn certificates(&self) -> Result<Vec<Certificate>, String> {
        let told = |reason: &str| format!("{}: {reason}", self.setting);
        let pem = self.pem.as_ref().map_err(|reason| told(reason))?;
        match Certificate::from_pem_bundle(pem) {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) | Err(_) => Err(told("the file holds no certificate in PEM")),
        }
    }
}

impl Transport {
    fn failure(&self, unsent: Unsent, url: &Url, idle: Duration) -> ModelError {
        let (place, via) = (place(url), self.via(url));
        let through = via.as_ref().map(|via| format!(" through the proxy {} ({})", via.place(), via.setting));
        let through = through.unwrap_or_default();
        let (kind, message) = match unsent {
            Unsent::Client(message) => (ModelErrorKind::Refused, message),
            Unsent::Silent => {
                (ModelErrorKind::Timeout, format!("{place} did not answer{through} within {} ms", idle.as_millis()))
            }
            Unsent::Http(error) if error.is_connect() => match (&via, failure::tunnel(&error)) {
                (Some(via), Some(why)) => return refused_by(via, why),
                _ => {
                    let why = failure::chain(&error);
                    (ModelErrorKind::Connection, format!("could not connect to {place}{through}: {why}"))
                }
            },
            Unsent::Http(error) => {
                let why = failure::chain(&error);
                (ModelErrorKind::Connection, format!("the connection to {place}{through} broke: {why}"))
            }
        };
        ModelError { kind, message, retry_after_ms: None }
    }
}

/// Asking again does not change a proxy's mind.
fn refused_by(via: &Via, why: &str) -> ModelError {
    let message = format!("the proxy {} ({}) refuses: {why}", via.place(), via.setting);
    ModelError { kind: ModelErrorKind::Refused, message, retry_after_ms: None }
}

/// Host and port of a URL, which may carry secrets elsewhere.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// As much of a body as comes within the limits.
pub(crate) async fn read_at_most(response: Response, max_bytes: usize, limit: Duration) -> Vec<u8> {
    let mut pieces = response.bytes_stream();
    let mut body = Vec::new();
    let read = async {
        while let Some(Ok(piece)) = pieces.next().await {
            let room = max_bytes - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() == max_bytes {
                break;
            }
        }
    };
    // What has come until then is the answer.
    let _ = tokio::time::timeout(limit, read).await;
    body
}

fn may_be_stale(error: &reqwest::Error) -> bool {
    !(error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect() || error.is_decode())
}
