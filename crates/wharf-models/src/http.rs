//! HTTP to providers: clients that are built when first needed, time limits, and one more try on a fresh connection.

pub(crate) mod failure;
mod proxy;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, ClientBuilder, Method, Response, Url};
use wharf_protocol::model::{ModelError, ModelErrorKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept for each provider.
const IDLE_CONNECTIONS: usize = 32;

/// Shorter than the keep-alive time of the common servers, most of which close after 60 seconds or more.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(50);

/// What all models of one process share.
#[derive(Default)]
pub(crate) struct Transport {
    environment: BTreeMap<String, String>,
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
    /// `environment` names proxies, as the usual variables do.
    pub(crate) fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment, ..Self::default() }
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
        let response = answer.map_err(|unsent| unsent.into_model_error(&endpoint.url, idle))?;
        endpoint.answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    pub(crate) async fn get(&self, endpoint: &Endpoint, limit: Duration) -> Result<Response, ModelError> {
        let answer = self.send(endpoint, Method::GET, None, limit, false).await;
        answer.map_err(|unsent| unsent.into_model_error(&endpoint.url, limit))
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
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            .pool_max_idle_per_host(if fresh { 0 } else { IDLE_CONNECTIONS })
            // A redirect would take prompts, or a key, where nobody sent them.
            .redirect(reqwest::redirect::Policy::none());
        // Not the process's environment: only what was passed in.
        builder = proxy::apply(builder.no_proxy(), &self.environment, tls)?;
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

impl Unsent {
    fn into_model_error(self, url: &Url, idle: Duration) -> ModelError {
        let place = place(url);
        let (kind, message) = match self {
            Self::Client(message) => (ModelErrorKind::Connection, message),
            Self::Silent => (ModelErrorKind::Timeout, format!("{place} did not answer within {} ms", idle.as_millis())),
            Self::Http(error) if error.is_connect() => {
                (ModelErrorKind::Connection, format!("could not connect to {place}: {}", failure::chain(&error)))
            }
            Self::Http(error) => {
                (ModelErrorKind::Connection, format!("the connection to {place} broke: {}", failure::chain(&error)))
            }
        };
        ModelError { kind, message, retry_after_ms: None }
    }
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
