//! A server elsewhere: HTTP for requests, SSE or the WebSocket for what comes by itself.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::ACCEPT;
use serde_json::Value;
use wharf_protocol::ApiError;

use crate::feed::{FeedItem, Followed, last_from, located_from};
use crate::http::Http;
use crate::sse::{SseMessage, SseParser};
use crate::{Auth, ClientError, Retry, Timeouts};

/// How a server is talked to.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoteOptions {
    pub transport: Transport,
    pub timeouts: Timeouts,
    pub retry: Retry,
}

/// A server and the way events come from it.
pub(crate) struct Remote {
    pub(crate) http: Http,
    pub(crate) transport: Transport,
}

/// How prompts, answers and events travel; the rest is HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// HTTP requests and server-sent events.
    #[default]
    Sse,
    /// The envelope of `/ws`. For proxies that hold streams back, and without TLS only.
    WebSocket,
}

impl Remote {
    pub(crate) fn new(url: &str, auth: Auth, options: RemoteOptions) -> Result<Self, ClientError> {
        let RemoteOptions { transport, timeouts, retry } = options;
        let http = Http::new(url, auth, timeouts, retry)?;
        if transport == Transport::WebSocket && http.socket_url().scheme() != "ws" {
            let message = "the WebSocket is for http:// addresses; over https:// use server-sent events".to_owned();
            return Err(ClientError::Validation { field: Some("transport".to_owned()), message });
        }
        Ok(Self { http, transport })
    }

    pub(crate) async fn open_sse(
        &self,
        followed: &Followed,
        after: Option<u64>,
        may_answer: bool,
    ) -> Result<SseFeed, ClientError> {
        let segments: &[&str] = match followed {
            Followed::Session(session) => &["sessions", session.as_str(), "events"],
            Followed::All => &["events"],
        };
        // Where nothing is said, a stream counts as somebody who may answer permissions.
        let answers = (!may_answer && matches!(followed, Followed::Session(_))).then_some(false);
        let request = self.http.get(segments).query("after", after).query("answers", answers);
        let request = request.header(ACCEPT, "text/event-stream");
        let response = self.http.open(&request).await?;
        let is_stream = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if !is_stream {
            return Err(ClientError::Protocol("not a stream of events".to_owned()));
        }
        Ok(SseFeed {
            response,
            parser: SseParser::new(),
            idle: self.http.timeouts.stream_idle,
            target: self.http.base().to_owned(),
        })
    }
}

/// An open stream of server-sent events.
pub(crate) struct SseFeed {
    response: Response,
    parser: SseParser,
    idle: Duration,
    target: String,
}

impl SseFeed {
    /// Waits for what comes next. May be dropped at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Vec<FeedItem>, ClientError> {
        let chunk = tokio::time::timeout(self.idle, self.response.chunk())
            .await
            .map_err(|_| ClientError::Timeout { what: "the stream's heartbeat", after: self.idle })?
            .map_err(|error| self.lost(&error.without_url().to_string()))?
            .ok_or_else(|| self.lost("the stream ended"))?;
        self.parser.push(&chunk).map_err(|error| ClientError::Protocol(error.to_string()))?;
        let mut items = Vec::new();
        while let Some(message) = self.parser.next() {
            items.extend(item_from(&message)?);
        }
        Ok(items)
    }

    fn lost(&self, reason: &str) -> ClientError {
        ClientError::Connection { target: self.target.clone(), reason: reason.to_owned() }
    }
}

/// What a message says; `None` where it is of the transport only.
fn item_from(message: &SseMessage) -> Result<Option<FeedItem>, ClientError> {
    match message.event.as_str() {
        "connected" => {
            let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
            let id = message.id.as_ref().and_then(|id| id.parse().ok());
            Ok(Some(FeedItem::Connected { last: id.or_else(|| last_from(&data)) }))
        }
        "error" => Err(match serde_json::from_str::<ApiError>(&message.data) {
            Ok(error) => error.into(),
            Err(error) => ClientError::Protocol(format!("an error: {error}")),
        }),
        // Messages of the stream itself have no seq: `heartbeat`, `disconnected`, `server.draining`, and what comes later.
        _ if message.id.is_none() => Ok(None),
        _ => located_from(&message.data, message.id.as_deref()).map(|located| Some(FeedItem::Event(located))),
    }
}
