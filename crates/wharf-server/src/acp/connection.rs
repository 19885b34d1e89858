//! One ACP connection: its reader, which knows the sessions that are attached and passes each what is for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1 as acp;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, close_code};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use wharf_engine::EngineError;
use wharf_protocol::rest::SessionQuery;
use wharf_protocol::{PermissionId, Seq, Session, SessionId, Timestamp};

use super::attached::{Attached, Command};
use super::outbox::{Gone, META, Outbox};
use super::render::Shows;
use super::rpc::{self, INTERNAL_ERROR, INVALID_REQUEST, Id, Incoming, Malformed, Params, RpcError};
use crate::app::App;
use crate::auth::{Principal, Scope};
use crate::connection::Peer;
use crate::error::Failure;
use crate::ws::writer::{CAPACITY, Outgoing, Writer};

/// Sessions that one connection may have attached.
const ATTACHED_SESSIONS: usize = 64;
/// Commands that wait for one session; the reader waits when there are more.
const INBOX_CAPACITY: usize = 64;
/// Requests that belong to no session and run beside the reader; the reader waits when there are more.
const RUNNING_REQUESTS: usize = 32;
/// Sessions on one page of a list.
const LIST_PAGE: usize = 100;
/// For the writer to finish, once the reader has ended.
const WRITER_WAIT: Duration = Duration::from_secs(5);

/// What a connection's tasks share.
pub(super) struct Context {
    pub(super) app: App,
    pub(super) principal: Arc<Principal>,
    pub(super) out: Outbox,
    /// Our open questions, by their id on the wire, and whose they are.
    pub(super) asked: Mutex<HashMap<PermissionId, SessionId>>,
}

impl Context {
    pub(super) fn asked(&self) -> std::sync::MutexGuard<'_, HashMap<PermissionId, SessionId>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client said of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) shows: Shows,
    /// Knows our extensions: wants the place of each update, and may attach.
    pub(super) is_bridge: bool,
}

/// Our extension: a session's updates after an event that the client has seen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttachRequest {
    session_id: String,
    after: Seq,
}

struct Handle {
    commands: mpsc::Sender<Command>,
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
    client: Option<Client>,
    sessions: HashMap<SessionId, Handle>,
    requests: JoinSet<()>,
    outgoing: Option<mpsc::Receiver<Outgoing>>,
}

impl Connection {
    pub(super) fn new(app: App, principal: Arc<Principal>, peer: Option<Peer>) -> Self {
        let (out, outgoing) = mpsc::channel(CAPACITY);
        let context = Context { app, principal, out: Outbox(out), asked: Mutex::default() };
        Self {
            context: Arc::new(context),
            peer,
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
        let mut writer = AbortOnDropHandle::new(tokio::spawn(Writer { sink, traffic, app }.run(outgoing)));
        self.read(stream, &mut writer).await;
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
                    match message {
                        Message::Text(text) => self.serve(text.as_bytes()).await,
                        Message::Binary(bytes) => self.serve(&bytes).await,
                        Message::Ping(_) | Message::Pong(_) => Ok(()),
                        Message::Close(_) => Err(Gone),
                    }
                }
                Wakeup::Frame(Some(Err(error))) => {
                    tracing::debug!(%error, "an ACP connection cannot be read on");
                    self.close(close_code::SIZE, "the message is too large or not a WebSocket frame").await
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
        // The client may be gone already.
        let _ = self.context.out.0.send(Outgoing::Close(code, reason)).await;
        Err(Gone)
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
                let outcome = outcome.map_err(|error| error.get().to_owned());
                self.answered(&id, outcome.as_ref().map(|result| result.get()).map_err(String::as_str)).await;
                Ok(())
            }
            Err(Malformed { id, error }) => self.context.out.send(vec![rpc::error(&id, &error)]).await,
        }
    }

    /// Answers, or passes on to who answers. An error is the answer.
    async fn request(&mut self, id: &Id, method: &str, params: &Params) -> Result<(), RpcError> {
        let principal = Arc::clone(&self.context.principal);
        principal.bucket.take(std::time::Instant::now()).map_err(Failure::rate_limited)?;
        let id = id.clone();
        if method == "initialize" {
            let answer = self.initialize(&params.read()?);
            return self.reply(&id, answer).await;
        }
        let Some(client) = self.client else {
            let text = format!("ACP initialization must complete before {method}");
            return Err(RpcError::new(INVALID_REQUEST, text));
        };
        match method {
            "authenticate" => {
                let request: acp::AuthenticateRequest = params.read()?;
                let reason = format!("methodId: there is no method {:?}; none is needed", request.method_id.0);
                Err(RpcError::invalid_params(reason))
            }
            // Who is connected was settled with the connection: nothing is held that could be given up.
            "logout" => self.reply(&id, json!({})).await,
            "session/new" => {
                principal.require(Scope::SessionsWrite)?;
                let request: acp::NewSessionRequest = params.read()?;
                let wanted = request.meta.as_ref().and_then(|meta| own_id(client, meta));
                let session_id = wanted.unwrap_or_else(|| SessionId::from_bits(random_bits()));
                self.pass(&session_id, Command::New { id, request }).await
            }
            "session/load" => {
                let request: acp::LoadSessionRequest = params.read()?;
                check_cwd(&request.cwd)?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, Command::Load { id }).await
            }
            "session/resume" => {
                let request: acp::ResumeSessionRequest = params.read()?;
                check_cwd(&request.cwd)?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, Command::Attach { id, after: None }).await
            }
            "_wharf/session/attach" => {
                let request: AttachRequest = params.read()?;
                let session_id = session_id(&request.session_id)?;
                self.pass(&session_id, Command::Attach { id, after: Some(request.after) }).await
            }
            "session/list" => {
                let request: acp::ListSessionsRequest = params.read()?;
                let context = Arc::clone(&self.context);
                self.requests.spawn(async move {
                    let answer = list(&context, request).await;
                    let _ = context.out.answer(&id, answer).await;
                });
                Ok(())
            }
            "session/delete" => {
                principal.require(Scope::SessionsWrite)?;
                let request: acp::DeleteSessionRequest = params.read()?;
                let context = Arc::clone(&self.context);
                self.requests.spawn(async move {
                    let answer = delete(&context, &request.session_id.0).await;
                    let _ = context.out.answer(&id, answer).await;
                });
                Ok(())
            }
            "session/prompt" => {
                principal.require(Scope::SessionsWrite)?;
                let request: acp::PromptRequest = params.read()?;
                let prompt_id = request.meta.as_ref().and_then(|meta| own_id(client, meta));
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, Command::Prompt { id, blocks: request.prompt, prompt_id }).await
            }
            "session/set_mode" => {
                principal.require(Scope::SessionsWrite)?;
                let request: acp::SetSessionModeRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, Command::SetMode { id, mode_id: request.mode_id.0.to_string() }).await
            }
            "session/set_config_option" => {
                principal.require(Scope::SessionsWrite)?;
                let request: acp::SetSessionConfigOptionRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                let config_id = request.config_id.0.to_string();
                self.pass(&session_id, Command::SetOption { id, config_id, value: request.value }).await
            }
            "session/close" => {
                let request: acp::CloseSessionRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, Command::Close { id }).await
            }
            unknown => Err(RpcError::method_not_found(unknown)),
        }
    }

    async fn reply(&self, id: &Id, answer: impl serde::Serialize) -> Result<(), RpcError> {
        // Whether the client is still there, the reader learns from the writer.
        let _ = self.context.out.answer(id, Ok(answer)).await;
        Ok(())
    }

    fn initialize(&mut self, request: &acp::InitializeRequest) -> acp::InitializeResponse {
        let capabilities = &request.client_capabilities;
        let session = capabilities.session.as_ref();
        let shows = Shows {
            notices: session.is_some_and(|session| session.notices.is_some()),
            compaction: session.is_some_and(|session| session.compaction.is_some()),
        };
        let is_bridge = capabilities.meta.as_ref().is_some_and(|meta| meta.contains_key(META));
        if let Some(info) = &request.client_info {
            tracing::debug!(client.name = %info.name, client.version = %info.version, "an ACP client is here");
        }
        self.client = Some(Client { shows, is_bridge });
        let sessions = acp::SessionCapabilities::new()
            .list(acp::SessionListCapabilities::new())
            .delete(acp::SessionDeleteCapabilities::new())
            .resume(acp::SessionResumeCapabilities::new())
            .close(acp::SessionCloseCapabilities::new());
        let mut extensions = acp::Meta::new();
        extensions.insert(META.to_owned(), json!({ "session/attach": {}, "seq": {}, "prompt_id": {} }));
        // One version is spoken, whatever was asked for: who cannot speak it, leaves.
        acp::InitializeResponse::new(ProtocolVersion::V1)
            .agent_capabilities(
                acp::AgentCapabilities::new()
                    .load_session(true)
                    .prompt_capabilities(acp::PromptCapabilities::new().image(true).embedded_context(true))
                    .session_capabilities(sessions)
                    .meta(extensions),
            )
            .agent_info(acp::Implementation::new("wharf", env!("CARGO_PKG_VERSION")).title("Wharf".to_owned()))
    }

    async fn notification(&mut self, method: &str, params: &Params) {
        match method {
            "session/cancel" => {
                let Ok(request) = params.read::<acp::CancelNotification>() else { return };
                let Ok(session_id) = session_id(&request.session_id.0) else { return };
                if self.client.is_none() || self.context.principal.require(Scope::SessionsWrite).is_err() {
                    return;
                }
                if let Err(error) = self.pass(&session_id, Command::Cancel).await {
                    tracing::debug!(error = error.message, "a cancel could not be passed on");
                }
            }
            "$/cancel_request" => {
                let Ok(request) = params.read::<Map>() else { return };
                let Some(id) = request.get("requestId").and_then(Id::from_value) else { return };
                // Few sessions, and only the one that knows the request does something.
                for handle in self.sessions.values() {
                    let _ = handle.commands.send(Command::CancelRequest(id.clone())).await;
                }
            }
            // Notifications that are not known are to be ignored.
            _ => {}
        }
    }

    /// The client's answer to a question of ours. One that comes too late finds nothing and is dropped.
    async fn answered(&mut self, id: &Id, outcome: Result<&str, &str>) {
        let Some(permission_id) = id.text().and_then(|text| text.parse::<PermissionId>().ok()) else { return };
        let Some(session_id) = self.context.asked().remove(&permission_id) else { return };
        let outcome = match outcome.map(serde_json::from_str::<acp::RequestPermissionResponse>) {
            Ok(Ok(response)) => Some(response.outcome),
            Ok(Err(error)) => {
                tracing::warn!(%error, "an ACP client's answer to a permission cannot be read");
                None
            }
            Err(error) => {
                tracing::info!(error, "an ACP client cannot answer a permission");
                None
            }
        };
        if let Some(handle) = self.sessions.get(&session_id) {
            let _ = handle.commands.send(Command::Answered { permission_id, outcome }).await;
        }
    }

    /// Gives a command to its session, which is attached first where it is not.
    async fn pass(&mut self, session_id: &SessionId, command: Command) -> Result<(), RpcError> {
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
        let attached = Attached::new(Arc::clone(&self.context), client, session_id.clone(), inbox);
        let task = AbortOnDropHandle::new(tokio::spawn(attached.run()));
        // The inbox is empty.
        let _ = commands.send(command).await;
        self.sessions.insert(session_id.clone(), Handle { commands, _task: task });
        Ok(())
    }
}

type Map = serde_json::Map<String, Value>;

/// The id that our bridge gives what it may have to send twice.
fn own_id<T: std::str::FromStr>(client: Client, meta: &acp::Meta) -> Option<T> {
    if !client.is_bridge {
        return None;
    }
    meta.get(META)?.get("id")?.as_str()?.parse().ok()
}

fn session_id(text: &str) -> Result<SessionId, RpcError> {
    // A text that is no id is the id of no session.
    text.parse().map_err(|_| unknown_session(text))
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

async fn list(context: &Context, request: acp::ListSessionsRequest) -> Result<acp::ListSessionsResponse, RpcError> {
    if let Some(cwd) = &request.cwd {
        check_cwd(cwd)?;
    }
    // Sessions hold the real path of their directory; one that is not there any more is looked for as it is written.
    let cwd = request.cwd.map(|cwd| cwd.canonicalize().unwrap_or(cwd));
    let query = SessionQuery { limit: Some(LIST_PAGE), cursor: request.cursor, cwd, ..SessionQuery::default() };
    let page = context.app.engine.sessions(query).await?;
    let sessions = page.sessions.iter().map(session_info).collect();
    Ok(acp::ListSessionsResponse::new(sessions).next_cursor(page.next_cursor))
}

fn session_info(session: &Session) -> acp::SessionInfo {
    acp::SessionInfo::new(acp::SessionId::new(session.id.as_str()), session.cwd.clone())
        .title(session.title.clone())
        .updated_at(session.updated_at.to_string())
}

/// Deleting what is not there succeeds.
async fn delete(context: &Context, session: &str) -> Result<Value, RpcError> {
    let Ok(session) = session.parse::<SessionId>() else { return Ok(json!({})) };
    match context.app.engine.delete_session(&session, &context.principal.caller).await {
        Ok(()) | Err(EngineError::SessionNotFound(_)) => Ok(json!({})),
        Err(error) => Err(error.into()),
    }
}

/// What a session's task sends as one piece.
pub(super) type Frames = Vec<Utf8Bytes>;

/// For ids.
pub(super) fn random_bits() -> u128 {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // No secret: ids have to differ, that is all.
        bytes[..8].copy_from_slice(&Timestamp::now().0.to_be_bytes());
    }
    u128::from_be_bytes(bytes)
}
