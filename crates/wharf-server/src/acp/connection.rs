//! One ACP connection: its reader, which knows the sessions that are attached and passes each what is for it.

mod requests;
mod sessions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use wharf_engine::Offers;
use wharf_protocol::SessionId;

use super::asking::Asking;
use super::attached::{Attached, ToSession};
use super::outbox::{Gone, Outbox};
use super::render::Shows;
use super::rpc::{self, INTERNAL_ERROR, Incoming, Malformed, RpcError};
use crate::app::App;
use crate::connection::Peer;
use crate::gate::Principal;
use crate::random::random_bits;
use crate::task;
use crate::trace::{self, Trace};
use crate::websocket::{CAPACITY, Outgoing, Writer, close_for, release};

/// Sessions that one connection may have attached.
const ATTACHED_SESSIONS: usize = 64;
/// Commands that wait for one session; the reader waits when there are more.
const INBOX_CAPACITY: usize = 64;
/// Requests that belong to no session and run beside the reader; the reader waits when there are more.
const RUNNING_REQUESTS: usize = 32;
/// For the writer to finish, once the reader has ended.
const WRITER_WAIT: Duration = Duration::from_secs(5);

/// What a connection's tasks share.
pub(super) struct Context {
    pub(super) app: App,
    pub(super) principal: Arc<Principal>,
    pub(super) out: Outbox,
    /// What we ask this client.
    pub(super) asking: Arc<Asking>,
}

/// What the client said of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) shows: Shows,
    /// Knows our extensions: wants the place of each update, and may attach.
    pub(super) is_bridge: bool,
    /// What it does for a session's tools.
    pub(super) offers: Offers,
}

struct Handle {
    commands: mpsc::Sender<ToSession>,
    _task: AbortOnDropHandle<()>,
}

enum Wakeup {
    Frame(Option<Result<Message, axum::Error>>),
    RequestEnded,
    Closing,
    Idle,
    WriterGone,
}

pub(super) struct Connection {
    context: Arc<Context>,
    peer: Option<Peer>,
    trace: Option<Arc<Trace>>,
    client: Option<Capabilities>,
    sessions: HashMap<SessionId, Handle>,
    requests: JoinSet<()>,
    outgoing: Option<mpsc::Receiver<Outgoing>>,
}

impl Connection {
    pub(super) fn new(app: App, principal: Arc<Principal>, peer: Option<Peer>, trace: Option<Arc<Trace>>) -> Self {
        let (out, outgoing) = mpsc::channel(CAPACITY);
        let asking = Arc::new(Asking::new(out.downgrade(), &format!("{:032x}", random_bits()), app.sockets.clone()));
        let context = Context { app, principal, out: Outbox::new(out), asking };
        Self {
            context: Arc::new(context),
            peer,
            trace,
            client: None,
            sessions: HashMap::new(),
            requests: JoinSet::new(),
            outgoing: Some(outgoing),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self, stream: WebSocket) {
        let Some(outgoing) = self.outgoing.take() else { return };
        let (sink, stream) = stream.split();
        let app = self.context.app.clone();
        let writer_wait = WRITER_WAIT + app.config.timeouts.stall;
        let traffic = self.peer.as_ref().map(|peer| Arc::clone(&peer.traffic));
        let mut writer = task::owned(Writer { sink, traffic, trace: self.trace.clone(), app }.run(outgoing));
        self.read(stream, &mut writer).await;
        self.context.asking.close();
        // Whoever still makes frames ends first; then the writer has nobody left to wait for.
        drop(self);
        if timeout(writer_wait, &mut writer).await.is_err() {
            tracing::debug!("an ACP connection did not close in time and is cut off");
        }
    }

    async fn read(&mut self, mut stream: SplitStream<WebSocket>, writer: &mut AbortOnDropHandle<()>) {
        let idle = self.context.app.config.timeouts.idle;
        let closing = self.context.app.closing.clone();
        let mut heard_at = Instant::now();
        loop {
            let wakeup = tokio::select! {
                frame = stream.next(), if self.requests.len() < RUNNING_REQUESTS => Wakeup::Frame(frame),
                Some(_) = self.requests.join_next(), if !self.requests.is_empty() => Wakeup::RequestEnded,
                () = closing.cancelled() => Wakeup::Closing,
                () = sleep_until(heard_at + idle) => Wakeup::Idle,
                _ = &mut *writer => Wakeup::WriterGone,
            };
            let done = match wakeup {
                Wakeup::Frame(Some(Ok(message))) => {
                    heard_at = Instant::now();
                    if let (Some(trace), Message::Text(_) | Message::Binary(_)) = (&self.trace, &message) {
                        trace.message(trace::Side::Client, &String::from_utf8_lossy(&message.clone().into_data()));
                    }
                    match message {
                        Message::Text(text) => self.serve_held(text.as_bytes()).await,
                        Message::Binary(bytes) => self.serve_held(&bytes).await,
                        Message::Ping(bytes) | Message::Pong(bytes) => {
                            release(self.peer.as_ref(), Some(bytes.len()));
                            Ok(())
                        }
                        Message::Close(_) => Err(Gone),
                    }
                }
                Wakeup::Frame(Some(Err(error))) => {
                    tracing::debug!(%error, "an ACP connection cannot be read on");
                    match close_for(error, self.peer.as_ref()) {
                        Some((code, reason)) => self.close(code, reason).await,
                        None => Err(Gone),
                    }
                }
                Wakeup::Frame(None) | Wakeup::WriterGone => Err(Gone),
                Wakeup::RequestEnded => Ok(()),
                Wakeup::Closing => self.close(close_code::AWAY, "the server is stopping").await,
                Wakeup::Idle => self.close(close_code::AWAY, "idle").await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn close(&self, code: u16, reason: &'static str) -> Result<(), Gone> {
        self.context.out.close(code, reason).await;
        Err(Gone)
    }

    async fn serve_held(&mut self, frame: &[u8]) -> Result<(), Gone> {
        let served = self.serve(frame).await;
        release(self.peer.as_ref(), None);
        served
    }

    async fn serve(&mut self, frame: &[u8]) -> Result<(), Gone> {
        match rpc::read(frame) {
            Ok(Incoming::Request { id, method, params }) => {
                if let Err(error) = self.request(&id, &method, &params).await {
                    return self.context.out.answer(&id, Err::<(), _>(error)).await;
                }
                Ok(())
            }
            Ok(Incoming::Notification { method, params }) => {
                self.notification(&method, &params).await;
                Ok(())
            }
            Ok(Incoming::Response { id, outcome }) => {
                self.context.asking.answered(&id, outcome).await;
                Ok(())
            }
            Err(Malformed { id, error }) => self.context.out.send(vec![rpc::error(&id, &error)]).await,
        }
    }

    /// Gives a command to its session, which is attached first where it is not.
    async fn pass(&mut self, session_id: &SessionId, command: ToSession) -> Result<(), RpcError> {
        let mut command = command;
        if let Some(handle) = self.sessions.get(session_id) {
            match handle.commands.send(command).await {
                Ok(()) => return Ok(()),
                // It was closed.
                Err(mpsc::error::SendError(unsent)) => command = unsent,
            }
        }
        self.sessions.retain(|_, handle| !handle.commands.is_closed());
        if self.sessions.len() >= ATTACHED_SESSIONS {
            let text = format!("this connection has {ATTACHED_SESSIONS} sessions open; close one");
            return Err(RpcError::new(INTERNAL_ERROR, text));
        }
        let (commands, inbox) = mpsc::channel(INBOX_CAPACITY);
        let client = self.client.unwrap_or_default();
        let attached = Attached::new(Arc::clone(&self.context), client, session_id.clone(), (&commands, inbox));
        let task = task::owned(attached.run());
        // The inbox is empty.
        let _ = commands.send(command).await;
        self.sessions.insert(session_id.clone(), Handle { commands, _task: task });
        Ok(())
    }
}

pub(super) fn unknown_session(text: &str) -> RpcError {
    RpcError {
        code: rpc::NOT_FOUND,
        message: "Session not found".to_owned(),
        data: Some(json!({ "sessionId": text, "reason": "SESSION_NOT_FOUND", "details": "there is no such session" })),
    }
}

pub(super) fn check_cwd(cwd: &std::path::Path) -> Result<(), RpcError> {
    if cwd.is_absolute() {
        return Ok(());
    }
    Err(RpcError::invalid_params(format!("cwd: {} is not an absolute path", cwd.display())))
}
