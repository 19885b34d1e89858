//! Requests over HTTP: addresses, the key, repeating what is safe to repeat, errors with a meaning.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wharf_protocol::ApiError;

use crate::{Auth, ClientError, Resource, Retry, Timeouts};

/// Largest answer, in bytes; streams are bounded line by line instead.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// Idle connections kept for later requests.
const IDLE_CONNECTIONS: usize = 4;

/// A server's address and how it is talked to.
pub(crate) struct Http {
    base: Url,
    auth: Auth,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    // Made with the first request: a client that is only probed or never used costs nothing.
    client: OnceLock<reqwest::Client>,
}

/// One request, to be sent once or more often.
pub(crate) struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// Sending it twice does what sending it once does.
    repeatable: bool,
    timeout: Option<Duration>,
}

impl Request {
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| ClientError::Validation { field: None, message: format!("cannot be sent: {error}") })?;
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(bytes);
        Ok(self)
    }

    pub(crate) fn bytes(mut self, bytes: Vec<u8>, media_type: &'static str) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = Some(bytes);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Http {
    /// `url` is a server's root, with or without `/api/v1`.
    pub(crate) fn new(url: &str, auth: Auth, timeouts: Timeouts, retry: Retry) -> Result<Self, ClientError> {
        Ok(Self { base: parse_base(url)?, auth, timeouts, retry, client: OnceLock::new() })
    }

    /// The server's root, for people.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// An address of this server below `/api/v1`; each segment is escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only addresses without a path cannot be extended, and `parse_base` takes none of those.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    /// The address of the WebSocket.
    pub(crate) fn socket_url(&self) -> Url {
        let mut url = self.base.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // http and https may become ws and wss: the URL standard calls all four special.
        let _ = url.set_scheme(scheme);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("ws");
        }
        url
    }

    /// A request that reads: safe to repeat.
    pub(crate) fn get(&self, segments: &[&str]) -> Request {
        self.request(Method::GET, segments).repeatable()
    }

    /// A request that changes something; see [`Request::repeatable`].
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Request {
        Request {
            method,
            url: self.url(segments),
            headers: HeaderMap::new(),
            body: None,
            repeatable: false,
            timeout: None,
        }
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        self.fetch_counted(request).await.0
    }

    /// The same, with the number of attempts: an answer to the second may speak of what the first one did.
    pub(crate) async fn fetch_counted<T: DeserializeOwned>(&self, request: Request) -> (Result<T, ClientError>, u32) {
        let mut attempt = 1;
        loop {
            let error = match self.fetch_once(&request).await {
                Ok(answer) => return (Ok(answer), attempt),
                Err(error) => error,
            };
            if !request.repeatable || !error.is_transient() || attempt >= self.retry.attempts {
                return (Err(error), attempt);
            }
            attempt += 1;
            let wait = error.retry_after().unwrap_or_else(|| self.retry.wait(attempt));
            if wait > self.retry.max {
                return (Err(error), attempt - 1);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn fetch_once<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ClientError> {
        let limit = request.timeout.unwrap_or(self.timeouts.request);
        let answer = tokio::time::timeout(limit, async {
            let response = self.send(request).await?;
            let bytes = self.read_all(response).await?;
            serde_json::from_slice(&bytes).map_err(|error| ClientError::Protocol(error.to_string()))
        });
        answer.await.unwrap_or(Err(ClientError::Timeout { what: "the server's answer", after: limit }))
    }

    /// Sends a request whose answer goes on; waits for its beginning.
    pub(crate) async fn open(&self, request: &Request) -> Result<Response, ClientError> {
        let limit = self.timeouts.request;
        let answer = tokio::time::timeout(limit, self.send(request));
        answer.await.unwrap_or(Err(ClientError::Timeout { what: "the server's answer", after: limit }))
    }

    /// Sends one request; an answer that is an error becomes one.
    async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let mut builder =
            self.client()?.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if !request.headers.contains_key(ACCEPT) {
            builder = builder.header(ACCEPT, "application/json");
        }
        if let Some(value) = self.authorization() {
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await.map_err(|error| self.lost(error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    /// The header that carries the key.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let Auth::Key(key) = &self.auth else { return None };
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    async fn refusal(&self, response: Response) -> ClientError {
        let status = response.status();
        let after = retry_after(response.headers());
        match self.read_all(response).await {
            Ok(bytes) => refusal_from(status, after, &bytes),
            Err(error) => error,
        }
    }

    async fn read_all(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(error))? {
            if bytes.len() + chunk.len() > ANSWER_MAX_BYTES {
                return Err(ClientError::Protocol(format!("longer than {ANSWER_MAX_BYTES} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    pub(crate) fn lost(&self, error: reqwest::Error) -> ClientError {
        if error.is_timeout() {
            return ClientError::Timeout { what: "the connection", after: self.timeouts.connect };
        }
        self.unreachable(innermost(&error.without_url()))
    }

    pub(crate) fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Connection { target: self.base().to_owned(), reason }
    }

    fn client(&self) -> Result<&reqwest::Client, ClientError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        wharf_tls::choose_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("wharf-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.timeouts.connect)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            // A redirect would take the key somewhere else.
            .redirect(reqwest::redirect::Policy::none());
        if self.base.scheme() == "http" {
            // No certificate is ever checked here: reading the system's would only cost time.
            builder = builder.http1_only().tls_certs_only(std::iter::empty());
        }
        let client = builder.build().map_err(|error| self.unreachable(innermost(&error)))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// An error as the server tells it; without its words where they are not the protocol's.
fn refusal_from(status: StatusCode, after: Option<Duration>, body: &[u8]) -> ClientError {
    if let Ok(error) = serde_json::from_slice::<ApiError>(body) {
        return ClientError::from_response(error, after);
    }
    let message = format!("the server answered {status}");
    match status {
        StatusCode::UNAUTHORIZED => ClientError::Unauthorized { message },
        StatusCode::FORBIDDEN => ClientError::Forbidden { message },
        StatusCode::NOT_FOUND => ClientError::NotFound { what: Resource::Other, message },
        StatusCode::TOO_MANY_REQUESTS => ClientError::RateLimited { message, retry_after: after },
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            ClientError::Unavailable { message, retry_after: after }
        }
        _ => ClientError::Protocol(message),
    }
}

/// `Retry-After` in seconds; the form with a date is not one that a Wharf server sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The cause at the bottom says the most: "connection refused", not "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn parse_base(url: &str) -> Result<Url, ClientError> {
    let invalid = |reason: String| ClientError::Validation { field: Some("url".to_owned()), message: reason };
    let with_scheme = match url.split_once("://") {
        // The address of the WebSocket, which leads to the same server.
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(_) => url.to_owned(),
        None => format!("http://{url}"),
    };
    // Never the text itself in an error: somebody may have put a key into it.
    let mut base = Url::parse(&with_scheme).map_err(|error| invalid(format!("not a server's address: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
        return Err(invalid("a server's address begins with http:// or https://".to_owned()));
    }
    if !base.username().is_empty() || base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
        return Err(invalid("a server's address holds no user, key or query".to_owned()));
    }
    let path = base.path().trim_end_matches('/');
    let path = ["/api/v1", "/ws", "/acp"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let path = path.trim_end_matches('/').to_owned();
    base.set_path(&path);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Result<Http, ClientError> {
        Http::new(url, Auth::None, Timeouts::default(), Retry::default())
    }

    #[test]
    fn addresses_lead_below_the_api() {
        for url in
            ["http://127.0.0.1:4096", "127.0.0.1:4096/", "http://127.0.0.1:4096/api/v1/", "ws://127.0.0.1:4096/ws"]
        {
            let http = http(url).unwrap();
            assert_eq!(http.url(&["sessions", "a/b c"]).as_str(), "http://127.0.0.1:4096/api/v1/sessions/a%2Fb%20c");
            assert_eq!(http.socket_url().as_str(), "ws://127.0.0.1:4096/ws");
            assert_eq!(http.base(), "http://127.0.0.1:4096");
        }
        let nested = http("https://example.org/wharf/").unwrap();
        assert_eq!(nested.url(&["info"]).as_str(), "https://example.org/wharf/api/v1/info");
        assert_eq!(nested.socket_url().as_str(), "wss://example.org/wharf/ws");
    }

    #[test]
    fn addresses_hold_no_secrets() {
        for url in ["http://user:key@host", "http://host/?key=wharf_secret", "ftp://host", "http://", "http://host/#x"]
        {
            let Err(error) = http(url) else { panic!("{url} was taken") };
            assert!(matches!(error, ClientError::Validation { .. }), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn errors_without_the_protocols_words_go_by_status() {
        let meaning = |status: u16| refusal_from(StatusCode::from_u16(status).unwrap(), None, b"<html>");
        assert!(matches!(meaning(401), ClientError::Unauthorized { .. }));
        assert!(matches!(meaning(403), ClientError::Forbidden { .. }));
        assert!(matches!(meaning(404), ClientError::NotFound { what: Resource::Other, .. }));
        assert!(matches!(meaning(429), ClientError::RateLimited { .. }));
        assert!(matches!(meaning(503), ClientError::Unavailable { .. }));
        assert!(matches!(meaning(500), ClientError::Protocol(_)));
    }
}
