//! One socket: its reader, and what it has running.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use wharf_engine::{AllCursor, Cursor};
use wharf_protocol::rest::{AnswerPermission, Cancel, CompactSession};
use wharf_protocol::ws::Action;
use wharf_protocol::{ApiError, ErrorCode, Prompt, Seq, SessionId};

use super::request::{self, Malformed, Request};
use super::watch::Watch;
use super::{envelope, prompt};
use crate::app::App;
use crate::connection::Peer;
use crate::error::{Failure, Result};
use crate::gate::{Principal, Stream};
use crate::presence::Present;
use crate::task;
use crate::websocket::{CAPACITY, Outgoing, Writer, close_for, release};
use wharf_protocol::Scope;

/// Prompts that one socket may follow at a time.
const RUNNING_PROMPTS: usize = 32;
/// Sessions that one socket may watch at a time.
const WATCHED_SESSIONS: usize = 64;
/// For the writer to finish, once the reader has ended.
const WRITER_WAIT: Duration = Duration::from_secs(5);

/// What a socket watches from the start.
pub(super) enum Start {
    Session(SessionId, Cursor),
    All(AllCursor),
}

/// What woke the reader.
enum Wakeup {
    Frame(Option<Result<Message, axum::Error>>),
    PromptEnded,
    Draining,
    Closing,
    Idle,
    WriterGone,
}

/// Whether the socket goes on.
enum Flow {
    GoOn,
    End,
}

pub(super) struct Socket {
    app: App,
    principal: Arc<Principal>,
    peer: Option<Peer>,
    /// Somebody there answers permissions, if they may.
    answers: bool,
    /// The session that requests mean which name none.
    bound: Option<SessionId>,
    watched: HashMap<SessionId, Watch>,
    watched_all: Option<(Watch, Present)>,
    prompts: JoinSet<()>,
    out: mpsc::Sender<Outgoing>,
    outgoing: Option<mpsc::Receiver<Outgoing>>,
    told_draining: bool,
}

impl Socket {
    pub(super) fn new(app: App, principal: Arc<Principal>, peer: Option<Peer>, answers: bool) -> Self {
        let (out, outgoing) = mpsc::channel(CAPACITY);
        Self {
            app,
            principal,
            peer,
            answers,
            bound: None,
            watched: HashMap::new(),
            watched_all: None,
            prompts: JoinSet::new(),
            out,
            outgoing: Some(outgoing),
            told_draining: false,
        }
    }

    /// Serves the socket to its end.
    pub(super) async fn run(mut self, stream: WebSocket, start: Start) {
        let Some(outgoing) = self.outgoing.take() else { return };
        let (sink, stream) = stream.split();
        let writer = Writer {
            sink,
            traffic: self.peer.as_ref().map(|peer| Arc::clone(&peer.traffic)),
            trace: None,
            app: self.app.clone(),
        };
        let mut writer = task::owned(writer.run(outgoing));
        if self.begin(start).await.is_some() {
            self.read(stream, &mut writer).await;
        }
        // Whoever still makes frames ends first; then the writer has nobody left to wait for.
        let writer_wait = WRITER_WAIT + self.app.config.timeouts.stall * 5;
        drop(self);
        if writer.is_finished() {
            return;
        }
        if tokio::time::timeout(writer_wait, &mut writer).await.is_err() {
            tracing::debug!("a WebSocket did not close in time and is cut off");
        }
    }

    /// The first frame, then the first subscription.
    async fn begin(&mut self, start: Start) -> Option<()> {
        let mut connected = Map::new();
        match &start {
            Start::Session(session_id, cursor) => {
                connected.insert("session_id".to_owned(), json!(session_id));
                connected.insert("last_seq".to_owned(), json!(cursor.last_seq()));
            }
            Start::All(cursor) => {
                connected.insert("session_id".to_owned(), Value::Null);
                connected.insert("position".to_owned(), json!(cursor.position().0));
            }
        }
        self.send(envelope::transport_event("connected", connected)).await?;
        match start {
            Start::Session(session_id, cursor) => {
                let watch = Watch::session(&self.app, cursor, self.out.clone());
                self.watched.insert(session_id.clone(), watch);
                self.bound = Some(session_id);
            }
            Start::All(cursor) => {
                let present = Present::new(&self.app.presence.global);
                self.watched_all = Some((Watch::all(&self.app, cursor, self.out.clone()), present));
            }
        }
        Some(())
    }

    async fn read(&mut self, mut stream: SplitStream<WebSocket>, writer: &mut AbortOnDropHandle<()>) {
        let idle = self.app.config.timeouts.idle;
        let mut heard_at = Instant::now();
        loop {
            let wakeup = tokio::select! {
                frame = stream.next() => Wakeup::Frame(frame),
                Some(_) = self.prompts.join_next(), if !self.prompts.is_empty() => Wakeup::PromptEnded,
                () = self.app.draining.cancelled(), if !self.told_draining => Wakeup::Draining,
                () = self.app.closing.cancelled() => Wakeup::Closing,
                () = sleep_until(heard_at + idle), if self.prompts.is_empty() => Wakeup::Idle,
                _ = &mut *writer => Wakeup::WriterGone,
            };
            if matches!(wakeup, Wakeup::Frame(_) | Wakeup::PromptEnded) {
                heard_at = Instant::now();
            }
            if matches!(self.handle(wakeup).await, Flow::End) {
                return;
            }
        }
    }

    async fn handle(&mut self, wakeup: Wakeup) -> Flow {
        let sent = match wakeup {
            Wakeup::Frame(Some(Ok(Message::Text(text)))) => self.serve_held(text.as_bytes()).await,
            Wakeup::Frame(Some(Ok(Message::Binary(bytes)))) => self.serve_held(&bytes).await,
            Wakeup::Frame(Some(Ok(Message::Ping(bytes) | Message::Pong(bytes)))) => {
                release(self.peer.as_ref(), Some(bytes.len()));
                Some(())
            }
            Wakeup::PromptEnded => Some(()),
            Wakeup::Frame(Some(Err(error))) => {
                tracing::debug!(%error, "a WebSocket cannot be read on");
                match close_for(error, self.peer.as_ref()) {
                    Some((code, reason)) => self.close(code, reason).await,
                    None => None,
                }
            }
            Wakeup::Frame(Some(Ok(Message::Close(_))) | None) | Wakeup::WriterGone => None,
            Wakeup::Draining => {
                self.told_draining = true;
                self.send(envelope::transport_event("server.draining", Map::new())).await
            }
            Wakeup::Closing => {
                let mut payload = Map::new();
                payload.insert("reason".to_owned(), "the server is stopping".into());
                // Both, or neither where the client is gone already.
                let _ = self.send(envelope::transport_event("disconnected", payload)).await;
                self.close(close_code::AWAY, "the server is stopping").await
            }
            Wakeup::Idle => self.close(close_code::AWAY, "idle").await,
        };
        if sent.is_some() { Flow::GoOn } else { Flow::End }
    }

    /// `None`: the writer has gone.
    async fn send(&self, frame: axum::extract::ws::Utf8Bytes) -> Option<()> {
        self.out.send(Outgoing::Frames(vec![frame])).await.ok()
    }

    async fn close(&self, code: u16, reason: &'static str) -> Option<()> {
        let _ = self.out.send(Outgoing::Close(code, reason)).await;
        None
    }

    async fn serve_held(&mut self, frame: &[u8]) -> Option<()> {
        let served = self.serve(frame).await;
        release(self.peer.as_ref(), None);
        served
    }

    async fn serve(&mut self, frame: &[u8]) -> Option<()> {
        let Request { id, action } = match request::read(frame) {
            Ok(request) => request,
            Err(Malformed { id, error }) => return self.send(envelope::error(id.as_deref(), &error)).await,
        };
        match self.act(&id, action).await {
            Ok(Some(payload)) => self.send(envelope::response(&id, &payload)).await,
            Ok(None) => Some(()),
            Err(failure) => self.send(envelope::error(Some(&id), &failure.into_api())).await,
        }
    }

    /// Carries a request out. `None`: the answer is on its way already.
    async fn act(&mut self, id: &str, action: Action) -> Result<Option<Value>> {
        self.principal.bucket.take(std::time::Instant::now()).map_err(Failure::rate_limited)?;
        match action {
            Action::Ping => Ok(Some(json!({ "action": "pong" }))),
            Action::Prompt { session_id, content, id: message_id, priority, conflict_strategy, metadata } => {
                let session_id = self.session(session_id);
                self.allow(Scope::SessionsWrite, session_id.as_ref().ok()).await?;
                let session_id = session_id?;
                if self.prompts.len() >= RUNNING_PROMPTS {
                    let text = format!("this socket follows {RUNNING_PROMPTS} prompts already");
                    return Err(Failure::new(ErrorCode::RateLimited, text));
                }
                let prompt = Prompt { content, id: message_id, priority, conflict_strategy, stream: true, metadata };
                let frames = prompt::accept(&self.app, &self.principal, &session_id, prompt, self.answers).await?;
                self.prompts.spawn(prompt::follow(frames, id.to_owned(), self.out.clone()));
                Ok(None)
            }
            Action::Cancel { session_id, force } => {
                let session_id = self.session(session_id);
                self.allow(Scope::SessionsWrite, session_id.as_ref().ok()).await?;
                let session_id = session_id?;
                let cancel = Cancel { force, ..Cancel::default() };
                let answer = self.principal.access.cancel(&session_id, cancel).await?;
                let mut payload = json!({ "action": "cancelled", "session_id": session_id });
                if let (Some(turn_id), Some(fields)) = (answer.turn_id, payload.as_object_mut()) {
                    fields.insert("turn_id".to_owned(), json!(turn_id));
                }
                Ok(Some(payload))
            }
            Action::Compact { session_id, focus } => {
                let session_id = self.session(session_id);
                self.allow(Scope::SessionsWrite, session_id.as_ref().ok()).await?;
                let session_id = session_id?;
                let compact = CompactSession { focus };
                let answer = self.principal.access.compact(&session_id, compact).await?;
                Ok(Some(json!({ "action": "compacting", "session_id": session_id, "seq": answer.seq })))
            }
            Action::Subscribe { session_id, after } => {
                let session_id = self.session(session_id)?;
                self.subscribe(id, session_id, after).await
            }
            Action::Unsubscribe { session_id } => {
                let session_id = self.session(session_id)?;
                if let Some(watch) = self.watched.remove(&session_id) {
                    watch.stop().await;
                }
                Ok(Some(json!({ "action": "unsubscribed", "session_id": session_id })))
            }
            Action::Approve { permission_id, option, message } => {
                self.allow(Scope::PermissionsAnswer, None).await?;
                let answer = AnswerPermission { option, message };
                let done = self.principal.access.answer(None, &permission_id, answer).await?;
                Ok(Some(json!({
                    "action": "resolved",
                    "status": done.status,
                    "permission_id": done.permission_id,
                    "option": done.option,
                })))
            }
        }
    }

    async fn allow(&self, scope: Scope, session: Option<&SessionId>) -> Result<(), ApiError> {
        self.app.gate.allow(&self.principal, scope, session).await
    }

    fn session(&self, named: Option<SessionId>) -> Result<SessionId, ApiError> {
        named.or_else(|| self.bound.clone()).ok_or_else(|| {
            let reason = "is needed: this socket is not bound to a session";
            ApiError::new(ErrorCode::ValidationError, format!("payload.session_id: {reason}"))
                .with_details(json!({ "field": "payload.session_id", "reason": reason }))
        })
    }

    /// Without `after`, a session that is watched already goes on as it is: each event arrives once. With `after`, its events
    /// start again from there.
    async fn subscribe(&mut self, id: &str, session_id: SessionId, after: Option<Seq>) -> Result<Option<Value>> {
        let known = self.watched.contains_key(&session_id);
        if !known && self.watched.len() >= WATCHED_SESSIONS {
            let text = format!("this socket watches {WATCHED_SESSIONS} sessions already");
            return Err(Failure::new(ErrorCode::RateLimited, text));
        }
        let watcher = self.app.gate.open(&self.principal, Stream::Session(&session_id), self.answers).await?;
        let cursor = self.principal.access.watch(&session_id, after, watcher).await?;
        let answer = json!({ "action": "subscribed", "session_id": session_id, "last_seq": cursor.last_seq() });
        if known && after.is_none() {
            return Ok(Some(answer));
        }
        if let Some((all, _)) = self.watched_all.take() {
            all.stop().await;
        }
        if let Some(watch) = self.watched.remove(&session_id) {
            watch.stop().await;
        }
        // Before the first event, so that the client knows what the events are.
        if self.send(envelope::response(id, &answer)).await.is_some() {
            let watch = Watch::session(&self.app, cursor, self.out.clone());
            self.watched.insert(session_id, watch);
        }
        Ok(None)
    }
}
