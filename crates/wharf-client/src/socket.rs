//! The WebSocket: the same prompts, answers and events over the envelope of `/ws`. A connection serves one stream or one
//! request.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use wharf_protocol::frame::{Frame, FrameBody};
use wharf_protocol::rest::{
    AnswerPermission, CancelAnswer, CompactAnswer, CompactSession, PermissionAnswered, PromptAnswer, PromptStatus,
};
use wharf_protocol::ws::{Action, Envelope, EnvelopeType, Request};
use wharf_protocol::{ApiError, EventKind, PermissionId, Prompt, Seq, SessionId, Timestamp};

use crate::feed::{FeedItem, Followed, last_from, located_from};
use crate::remote::Remote;
use crate::{ClientError, ids};

/// Largest message, in bytes: twice what a server takes, because its own frames carry an event and its envelope.
const MESSAGE_MAX_BYTES: usize = 32 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that brings events.
pub(crate) struct SocketFeed {
    socket: Socket,
    target: String,
    idle: Duration,
    ping: Duration,
    heard_at: Instant,
    ping_at: Instant,
}

impl Remote {
    pub(crate) async fn open_socket(
        &self,
        followed: &Followed,
        after: Option<u64>,
        may_answer: bool,
    ) -> Result<SocketFeed, ClientError> {
        let mut url = self.http.socket_url();
        {
            let mut query = url.query_pairs_mut();
            if let Followed::Session(session) = followed {
                query.append_pair("session_id", session.as_str());
            }
            if let Some(after) = after {
                query.append_pair("after", &after.to_string());
            }
            if !may_answer {
                query.append_pair("answers", "false");
            }
        }
        let now = Instant::now();
        Ok(SocketFeed {
            socket: self.connect(url.as_str()).await?,
            target: self.http.base().to_owned(),
            idle: self.http.timeouts.stream_idle,
            ping: self.http.timeouts.ws_ping,
            heard_at: now,
            ping_at: now + self.http.timeouts.ws_ping,
        })
    }

    async fn connect(&self, url: &str) -> Result<Socket, ClientError> {
        let mut request = url.into_client_request().map_err(|error| self.broken(&error))?;
        if let Some(value) = self.http.authorization() {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX_BYTES))
            .max_frame_size(Some(MESSAGE_MAX_BYTES));
        let limit = self.http.timeouts.connect;
        let connected = tokio::time::timeout(limit, connect_async_with_config(request, Some(config), true))
            .await
            .map_err(|_| ClientError::Timeout { what: "the connection", after: limit })?;
        match connected {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let told = serde_json::from_slice::<ApiError>(body).map(ClientError::from);
                Err(told
                    .unwrap_or_else(|_| ClientError::Protocol(format!("the server answered {}", response.status()))))
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &tungstenite::Error) -> ClientError {
        self.http.unreachable(error.to_string())
    }

    /// Sends a prompt and leaves once it is accepted; the turn goes on. The same id gives the same turn, so that a connection
    /// lost on the way is no loss.
    pub(crate) async fn prompt_over_socket(
        &self,
        session: &SessionId,
        prompt: Prompt,
    ) -> Result<PromptAnswer, ClientError> {
        let message_id = prompt.id.clone().unwrap_or_else(ids::message_id);
        let action = Action::Prompt {
            session_id: Some(session.clone()),
            content: prompt.content,
            id: Some(message_id.clone()),
            priority: prompt.priority,
            conflict_strategy: prompt.conflict_strategy,
            metadata: prompt.metadata,
        };
        let mut attempt = 1;
        let payload = loop {
            match self.ask(action.clone()).await {
                Err(error) if error.is_transient() && attempt < self.http.retry.attempts => {
                    attempt += 1;
                    tokio::time::sleep(self.http.retry.wait(attempt)).await;
                }
                other => break other?,
            }
        };
        let frame: Frame =
            serde_json::from_value(payload).map_err(|error| ClientError::Protocol(format!("a frame: {error}")))?;
        let is_queued = matches!(&frame.body, FrameBody::Start { status, .. } if status == "queued");
        Ok(PromptAnswer {
            session_id: session.clone(),
            message_id,
            turn_id: frame.turn_id,
            status: if is_queued { PromptStatus::Queued } else { PromptStatus::Streaming },
            position: None,
            response: None,
            usage: None,
            cost: None,
            stop_reason: None,
        })
    }

    pub(crate) async fn cancel_over_socket(
        &self,
        session: &SessionId,
        force: bool,
    ) -> Result<CancelAnswer, ClientError> {
        self.ask(Action::Cancel { session_id: Some(session.clone()), force }).await?;
        Ok(CancelAnswer { status: "cancelled".to_owned(), session_id: session.clone(), turn_id: None })
    }

    pub(crate) async fn compact_over_socket(
        &self,
        session: &SessionId,
        wanted: CompactSession,
    ) -> Result<CompactAnswer, ClientError> {
        let action = Action::Compact { session_id: Some(session.clone()), focus: wanted.focus };
        let payload = self.ask(action).await?;
        let seq = payload.get("seq").and_then(Value::as_u64).map(Seq);
        let seq = seq.ok_or_else(|| ClientError::Protocol("an answer without a seq".to_owned()))?;
        Ok(CompactAnswer { status: "compacting".to_owned(), session_id: session.clone(), seq })
    }

    pub(crate) async fn answer_over_socket(
        &self,
        permission: &PermissionId,
        answer: AnswerPermission,
    ) -> Result<PermissionAnswered, ClientError> {
        let AnswerPermission { option, message } = answer;
        self.ask(Action::Approve { permission_id: permission.clone(), option, message }).await?;
        Ok(PermissionAnswered { status: "resolved".to_owned(), permission_id: permission.clone(), option })
    }

    /// One request on a connection of its own: the payload of its first response.
    async fn ask(&self, action: Action) -> Result<Value, ClientError> {
        let limit = self.http.timeouts.request;
        let answer = tokio::time::timeout(limit, self.ask_unbounded(action));
        answer.await.unwrap_or(Err(ClientError::Timeout { what: "the server's answer", after: limit }))
    }

    async fn ask_unbounded(&self, action: Action) -> Result<Value, ClientError> {
        let mut socket = self.connect(self.http.socket_url().as_str()).await?;
        let id = ids::message_id().to_string();
        let request = Request { r#type: EnvelopeType::Request, id: id.clone(), timestamp: None, payload: action };
        let text = serde_json::to_string(&request)
            .map_err(|error| ClientError::Validation { field: None, message: error.to_string() })?;
        socket.send(Message::text(text)).await.map_err(|error| self.broken(&error))?;
        while let Some(message) = socket.next().await {
            let message = message.map_err(|error| self.broken(&error))?;
            let Some(envelope) = envelope_of(&message)? else { continue };
            if envelope.id != id {
                continue;
            }
            match envelope.r#type {
                EnvelopeType::Response => {
                    // The answer is here; that the other side may miss the goodbye does no harm.
                    let _ = tokio::time::timeout(self.http.timeouts.shutdown, socket.close(None)).await;
                    return Ok(envelope.payload);
                }
                EnvelopeType::Error => return Err(error_of(envelope.payload)),
                EnvelopeType::Request | EnvelopeType::Event => {}
            }
        }
        Err(self.http.unreachable("the connection was closed before the answer".to_owned()))
    }
}

impl SocketFeed {
    /// Waits for what comes next. May be dropped at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Vec<FeedItem>, ClientError> {
        tokio::select! {
            message = self.socket.next() => {
                self.heard_at = Instant::now();
                let message = message.ok_or_else(|| self.lost("the connection was closed"))?;
                let message = message.map_err(|error| self.lost(&error.to_string()))?;
                if matches!(message, Message::Close(_)) {
                    return Err(self.lost("the server closed the connection"));
                }
                match envelope_of(&message)? {
                    Some(envelope) => item_from(envelope),
                    None => Ok(Vec::new()),
                }
            }
            () = tokio::time::sleep_until(self.ping_at) => {
                if self.heard_at.elapsed() > self.idle {
                    return Err(ClientError::Timeout { what: "the connection's pong", after: self.idle });
                }
                self.ping_at = Instant::now() + self.ping;
                self.socket.send(Message::Ping(Vec::new().into())).await.map_err(|error| self.lost(&error.to_string()))?;
                Ok(Vec::new())
            }
        }
    }

    fn lost(&self, reason: &str) -> ClientError {
        ClientError::Connection { target: self.target.clone(), reason: reason.to_owned() }
    }
}

/// The envelope in a message; `None` for pings and the like.
fn envelope_of(message: &Message) -> Result<Option<Envelope>, ClientError> {
    let bytes: &[u8] = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return Ok(None),
    };
    serde_json::from_slice(bytes).map(Some).map_err(|error| ClientError::Protocol(format!("an envelope: {error}")))
}

fn error_of(payload: Value) -> ClientError {
    match serde_json::from_value::<ApiError>(payload) {
        Ok(error) => error.into(),
        Err(error) => ClientError::Protocol(format!("an error frame: {error}")),
    }
}

fn item_from(envelope: Envelope) -> Result<Vec<FeedItem>, ClientError> {
    let Envelope { r#type, timestamp, payload, .. } = envelope;
    match r#type {
        EnvelopeType::Error => return Err(error_of(payload)),
        EnvelopeType::Event => {}
        EnvelopeType::Request | EnvelopeType::Response => return Ok(Vec::new()),
    }
    if payload.get("kind").and_then(Value::as_str) == Some("connected") {
        return Ok(vec![FeedItem::Connected { last: last_from(&payload) }]);
    }
    let Some(event) = event_of(payload, timestamp) else { return Ok(Vec::new()) };
    let position = event.get("position").and_then(Value::as_u64).map(|position| position.to_string());
    located_from(&event.to_string(), position.as_deref()).map(|located| vec![FeedItem::Event(located)])
}

/// An event as the log has it, from the flat payload of its frame. Two names of events' own fields are the envelope's, too.
fn event_of(mut payload: Value, timestamp: Timestamp) -> Option<Value> {
    let fields = payload.as_object_mut()?;
    fields.remove("kind");
    let r#type = fields.remove("event_type")?;
    // Without a seq it speaks of the connection: it is not on any log.
    let mut event = serde_json::Map::from_iter([("seq".to_owned(), fields.remove("seq")?)]);
    for name in ["session_id", "turn_id", "timestamp", "position"] {
        if let Some(value) = fields.remove(name) {
            event.insert(name.to_owned(), value);
        }
    }
    event.entry("timestamp").or_insert_with(|| timestamp.to_string().into());
    if let Some(kind) = fields.remove("tool_kind") {
        fields.insert("kind".to_owned(), kind);
    }
    if r#type == EventKind::ModelRetrying.as_str()
        && let Some(turn) = event.get("turn_id")
    {
        fields.insert("turn_id".to_owned(), turn.clone());
    }
    event.insert("type".to_owned(), r#type);
    event.insert("payload".to_owned(), payload);
    Some(Value::Object(event))
}
