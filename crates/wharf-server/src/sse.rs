//! Server-sent events: a cursor over a log, written out as it is pulled.
//!
//! The body is made when the connection has room for it: a client that reads slowly costs one batch.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use wharf_engine::{AllCursor, Cursor, EngineError};
use wharf_protocol::{EncodedEvent, EventKind, SessionId, Timestamp, TurnId};

use crate::app::App;
use crate::error::Failure;
use crate::escape::push_json;
use crate::presence::Present;

/// Events pulled at a time, in bytes.
const BATCH_BYTES: usize = 64 << 10;

/// Where a stream's events come from.
pub(crate) enum Source {
    Session(Cursor),
    All(AllCursor),
    /// The events of one turn, up to its end.
    Turn(Cursor, TurnMark),
}

/// An event stream.
pub(crate) struct EventStream {
    app: App,
    source: Source,
    /// What the client is told before anything else.
    first: Option<Bytes>,
    told_draining: bool,
    ended: bool,
    heartbeat_at: Instant,
    _present: Vec<Present>,
}

impl EventStream {
    pub(crate) fn new(app: App, source: Source, connected: &Value, session_id: Option<&SessionId>) -> Self {
        let mut present = vec![Present::new(&app.presence.sse)];
        if matches!(source, Source::All(_)) {
            present.push(Present::new(&app.presence.global));
        }
        Self {
            first: Some(transport_event("connected", session_id, connected)),
            source,
            told_draining: false,
            ended: false,
            heartbeat_at: Instant::now() + app.config.timeouts.keep_alive,
            _present: present,
            app,
        }
    }

    pub(crate) fn into_response(self, session_id: Option<&SessionId>) -> Response {
        let body = Body::from_stream(stream::unfold(self, |mut stream| async move {
            let bytes = stream.next().await?;
            Some((Ok::<_, Infallible>(bytes), stream))
        }));
        stream_response(body, "text/event-stream", session_id)
    }

    /// The next bytes to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.ended {
            return None;
        }
        let bytes = self.pull().await;
        self.heartbeat_at = Instant::now() + self.app.config.timeouts.keep_alive;
        Some(bytes)
    }

    async fn pull(&mut self) -> Bytes {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.app.closing.cancelled() => {
                    self.ended = true;
                    return transport_event("disconnected", None, &json!({ "reason": "the server is stopping" }));
                }
                () = self.app.draining.cancelled(), if !self.told_draining => {
                    self.told_draining = true;
                    return transport_event("server.draining", None, &json!({}));
                }
                batch = self.source.next() => batch,
                () = sleep_until(self.heartbeat_at) => return Bytes::from_static(b": heartbeat\n\n"),
            };
            match batch {
                Ok(batch) if batch.bytes.is_empty() && !batch.last => {}
                Ok(batch) => {
                    self.ended = batch.last;
                    self.app.metrics.count_streamed(batch.events, batch.bytes.len());
                    return batch.bytes.into();
                }
                Err(error) => {
                    self.ended = true;
                    return error_event(error);
                }
            }
        }
    }
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    events: usize,
    /// Nothing follows.
    last: bool,
}

impl Source {
    async fn next(&mut self) -> Result<Batch, EngineError> {
        let mut batch = Batch::default();
        match self {
            Self::Session(cursor) => {
                let events = cursor.next(BATCH_BYTES).await?;
                batch.bytes.reserve(events.iter().map(|event| event.json.len() + 64).sum());
                for event in &events {
                    batch.push(event.seq.0, event);
                }
            }
            Self::All(cursor) => {
                for (position, event) in &cursor.next(BATCH_BYTES).await? {
                    batch.push(position.0, event);
                }
            }
            Self::Turn(cursor, mark) => {
                for event in cursor.next(BATCH_BYTES).await?.iter().filter(|event| mark.is_on(event)) {
                    batch.push(event.seq.0, event);
                    if ends_turn(event.kind) {
                        batch.last = true;
                        break;
                    }
                }
            }
        }
        Ok(batch)
    }
}

impl Batch {
    fn push(&mut self, id: u64, event: &EncodedEvent) {
        let out = &mut self.bytes;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.kind.as_str().as_bytes());
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(id.to_string().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        push_json(out, &event.json);
        out.extend_from_slice(b"\n\n");
        self.events += 1;
    }
}

/// No event of the turn follows.
pub(crate) fn ends_turn(kind: EventKind) -> bool {
    kind.ends_turn() || kind == EventKind::PromptWithdrawn
}

/// Tells the events of one turn from others without reading them.
pub(crate) struct TurnMark(String);

/// An event's head (everything before its payload) is shorter.
const HEAD_BYTES: usize = 512;

impl TurnMark {
    pub(crate) fn new(turn_id: &TurnId) -> Self {
        Self(format!(r#""turn_id":"{turn_id}""#))
    }

    pub(crate) fn is_on(&self, event: &EncodedEvent) -> bool {
        let head = &event.json[..event.json.len().min(HEAD_BYTES)];
        // Ids have no quotes: the first `"payload":` is the field, whatever the payload says.
        let end = memchr::memmem::find(head, br#","payload":"#).unwrap_or(head.len());
        memchr::memmem::find(&head[..end], self.0.as_bytes()).is_some()
    }
}

/// An event of the stream itself: no seq, never stored.
fn transport_event(kind: &str, session_id: Option<&SessionId>, payload: &Value) -> Bytes {
    let mut event = json!({ "type": kind, "timestamp": Timestamp::now(), "payload": payload });
    if let (Some(id), Some(fields)) = (session_id, event.as_object_mut()) {
        fields.insert("session_id".to_owned(), json!(id));
    }
    named(kind, &event)
}

fn error_event(error: EngineError) -> Bytes {
    let mut data = json!(Failure::from(error).into_api());
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".to_owned(), "error".into());
    }
    named("error", &data)
}

fn named(kind: &str, data: &Value) -> Bytes {
    let mut out = format!("event: {kind}\ndata: ").into_bytes();
    push_json(&mut out, data.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The answer that carries a stream.
pub(crate) fn stream_response(body: Body, media_type: &'static str, session_id: Option<&SessionId>) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Some(value) = session_id.and_then(|id| HeaderValue::try_from(id.as_str()).ok()) {
        headers.insert(HeaderName::from_static("x-session-id"), value);
    }
    response
}

#[cfg(test)]
mod tests;
