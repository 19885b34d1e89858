//! The doors: ways to make a session, to prompt, to answer, to cancel, and to see the log.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wharf_client::{Auth, Client, Follow, RemoteOptions, Timeouts};
use wharf_engine::{Caller, Engine, EngineConfig, InstructionsConfig, Parts};
use wharf_mcp::Mcp;
use wharf_models::{Models, ModelsConfig};
use wharf_protocol::frame::Frame;
use wharf_protocol::rest::{AnswerPermission, Cancel, CompactSession, CreateSession};
use wharf_protocol::{Event, EventBody, EventKind, Mode, Prompt, Seq, SessionId};
use wharf_store::{SqliteConfig, SqliteStore};
use wharf_testkit::process::WharfHome;
use wharf_testkit::{Client as Http, ScriptedModel, WharfProcess, Workspace, within};
use wharf_tools::{Toolbox, ToolsConfig};

/// One way in.
pub trait Door: Sync {
    fn create(&self) -> BoxFuture<'_, String>;

    /// Plays one turn to its end, and to the agent's waiting after it; brings the events that follow the ones seen before.
    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>>;

    /// Has what was said summed up; brings the events up to the agent's waiting after it.
    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>>;
}

/// A real server, its own model, and the last seq that was seen.
pub struct Server {
    pub process: WharfProcess,
    pub home: WharfHome,
    seen: std::sync::Mutex<u64>,
    pub workspace: String,
}

impl Server {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace) -> Self {
        let home = WharfHome::new();
        let process = home.server().model_url(model.url()).permission("ask").start().await;
        let workspace = workspace.path().to_str().unwrap().to_owned();
        Self { process, home, seen: std::sync::Mutex::new(0), workspace }
    }

    fn http(&self) -> Http {
        self.process.client()
    }

    async fn create(&self) -> String {
        let body = json!({ "cwd": self.workspace, "mode": "ask" });
        let session: Value = self.http().post_json("/api/v1/sessions", &body).await.unwrap();
        session["id"].as_str().unwrap().to_owned()
    }

    async fn answer(&self, session: &str, event: &Value, option: &str) {
        let id = event["payload"]["permission_id"].as_str().unwrap();
        let path = format!("/api/v1/sessions/{session}/permissions/{id}");
        let _: Value = self.http().post_json(&path, &json!({ "option": option })).await.unwrap();
    }

    async fn cancel(&self, session: &str) {
        let _: Value = self.http().post_json(&format!("/api/v1/sessions/{session}/cancel"), &json!({})).await.unwrap();
    }

    async fn compact(&self, session: &str, focus: &str) -> Vec<Value> {
        let path = format!("/api/v1/sessions/{session}/compact");
        let begun: Value = self.http().post_json(&path, &json!({ "focus": focus })).await.unwrap();
        assert_eq!(begun["status"], "compacting");
        self.read(session).await
    }

    fn seen(&self) -> u64 {
        *self.seen.lock().unwrap()
    }

    /// The log from where it was left until the agent is idle, for a turn that is over.
    pub async fn read(&self, session: &str) -> Vec<Value> {
        let path = format!("/api/v1/sessions/{session}/events");
        let mut stream = self.http().events(&path, Some(self.seen())).await.unwrap();
        let mut events: Vec<Value> = Vec::new();
        while events.last().is_none_or(|event| event["type"] != "agent.idle") {
            let frame = within("the next event", stream.next()).await.unwrap().unwrap();
            if let Some(seq) = frame.seq() {
                *self.seen.lock().unwrap() = seq;
                events.push(frame.json());
            }
        }
        events
    }

    /// Follows the log over SSE from where it was left until the agent is idle.
    async fn follow(&self, session: &str, approve: Option<&str>, cancel: bool) -> Vec<Value> {
        let path = format!("/api/v1/sessions/{session}/events");
        let mut stream = self.http().events(&path, Some(self.seen())).await.unwrap();
        let mut events = Vec::new();
        let mut cancelled = !cancel;
        while let Some(frame) = within("the next event", stream.next()).await.unwrap() {
            let Some(seq) = frame.seq() else { continue };
            let event = frame.json();
            *self.seen.lock().unwrap() = seq;
            let kind = event["type"].as_str().unwrap().to_owned();
            if kind == "permission.requested" {
                self.answer(session, &event, approve.unwrap()).await;
            }
            if kind == "message.chunk" && !cancelled && said(&events, &event).ends_with("on") {
                self.cancel(session).await;
                cancelled = true;
            }
            events.push(event);
            if kind == "agent.idle" {
                break;
            }
        }
        events
    }
}

/// All text so far of the message that `last` belongs to. A cancel has to come after the same words through every door.
fn said(events: &[Value], last: &Value) -> String {
    let of_message = |event: &&Value| {
        event["type"] == "message.chunk" && event["payload"]["message_id"] == last["payload"]["message_id"]
    };
    let all = events.iter().filter(of_message).chain([last]);
    all.filter_map(|event| event["payload"]["content"].as_str()).collect()
}

/// REST for commands, SSE for events, `Prefer: respond-async` for prompts.
pub struct Rest(Server);

impl Rest {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace) -> Self {
        Self(Server::start(model, workspace).await)
    }
}

impl Door for Rest {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(self.0.create())
    }

    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let http = self.0.http();
            let (session_path, body) = (format!("/api/v1/sessions/{session}/prompt"), json!({ "content": prompt }));
            let body = serde_json::to_vec(&body).unwrap();
            let headers = [("prefer", "respond-async"), ("content-type", "application/json")];
            let accepted = http.send("POST", &session_path, &headers, Some(&body)).await.unwrap();
            assert_eq!(accepted.status, 202);
            drop(accepted);
            self.0.follow(session, approve, cancel).await
        })
    }

    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(self.0.compact(session, focus))
    }
}

/// `POST /prompt/stream`: the frames have to be what the log says.
pub struct Ndjson(Server);

impl Ndjson {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace) -> Self {
        Self(Server::start(model, workspace).await)
    }
}

impl Door for Ndjson {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(self.0.create())
    }

    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let path = format!("/api/v1/sessions/{session}/prompt/stream");
            let frames = self.0.http().post(&path, &json!({ "content": prompt })).await.unwrap().ok().await.unwrap();
            let frames = async {
                let mut stream = frames.into_ndjson();
                let mut seen = Vec::new();
                while let Some(frame) = within("the next frame", stream.next()).await.unwrap() {
                    if frame["type"] != "ping" {
                        seen.push(frame);
                    }
                }
                seen
            };
            let (frames, events) = tokio::join!(frames, self.0.follow(session, approve, cancel));
            let log: Vec<Event> = events.iter().map(|event| serde_json::from_value(event.clone()).unwrap()).collect();
            let turn = log.iter().find_map(|event| event.turn_id.clone()).unwrap();
            let rendered: Vec<Value> = log
                .iter()
                .filter_map(|event| Frame::render(event, &turn))
                .map(|frame| serde_json::to_value(frame).unwrap())
                .collect();
            assert_eq!(frames, rendered, "the frames are not what the log says");
            events
        })
    }

    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(self.0.compact(session, focus))
    }
}

/// The Rust SDK, over SSE or over the WebSocket.
pub struct Sdk {
    server: Server,
    client: Client,
}

impl Sdk {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace, over_websocket: bool) -> Self {
        let server = Server::start(model, workspace).await;
        let auth = || Auth::Key(wharf_client::ApiKey::new(server.process.key().unwrap()).unwrap());
        let url = server.process.url();
        let client = match over_websocket {
            true => Client::websocket(url, auth(), RemoteOptions::default()),
            false => Client::remote(url, auth()),
        };
        Self { client: client.unwrap(), server }
    }
}

impl Door for Sdk {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(create(&self.client, &self.server.workspace))
    }

    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(turn(&self.client, &self.server.seen, session, prompt, approve, cancel))
    }

    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(compact(&self.client, &self.server.seen, session, focus))
    }
}

/// The engine in this process.
pub struct Embedded {
    client: Client,
    seen: std::sync::Mutex<u64>,
    workspace: String,
    _state: tempfile::TempDir,
}

impl Embedded {
    pub async fn start(model: &ScriptedModel, workspace: &Workspace) -> Self {
        let state = tempfile::tempdir().unwrap();
        let models = ModelsConfig {
            model: Some("openai/scripted".to_owned()),
            base_url: Some(model.url()),
            // As the servers of the other doors have it: an error names it.
            environment: [("OPENAI_API_KEY".to_owned(), "sk-test".to_owned())].into(),
            ..ModelsConfig::default()
        };
        let environment = std::env::vars().filter(|(name, _)| name == "PATH").collect();
        let parts = Parts {
            store: SqliteStore::open(SqliteConfig::new(state.path().join("wharf.db"))).unwrap(),
            models: Arc::new(Models::discover(models)),
            tools: Toolbox::builtin(ToolsConfig { environment, ..ToolsConfig::default() }),
            mcp: Mcp::default(),
        };
        let mut config = EngineConfig::new(workspace.path(), state.path());
        config.default_mode = Mode::Ask;
        // As the program has it by itself.
        config.instructions = InstructionsConfig { files: true, facts: true, own_file: None };
        let engine = Engine::start(config, parts).await.unwrap();
        let client = Client::embedded(engine, Caller::owner("owner"), Timeouts::default());
        let workspace = workspace.path().to_str().unwrap().to_owned();
        Self { client, seen: std::sync::Mutex::new(0), workspace, _state: state }
    }
}

impl Door for Embedded {
    fn create(&self) -> BoxFuture<'_, String> {
        Box::pin(create(&self.client, &self.workspace))
    }

    fn turn<'a>(
        &'a self,
        session: &'a str,
        prompt: &'a str,
        approve: Option<&'a str>,
        cancel: bool,
    ) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(turn(&self.client, &self.seen, session, prompt, approve, cancel))
    }

    fn compact<'a>(&'a self, session: &'a str, focus: &'a str) -> BoxFuture<'a, Vec<Value>> {
        Box::pin(compact(&self.client, &self.seen, session, focus))
    }
}

async fn create(client: &Client, workspace: &str) -> String {
    let body = CreateSession { cwd: Some(workspace.into()), mode: Some(Mode::Ask), ..CreateSession::default() };
    client.create_session(body).await.unwrap().id.to_string()
}

async fn turn(
    client: &Client,
    seen: &std::sync::Mutex<u64>,
    session: &str,
    prompt: &str,
    approve: Option<&str>,
    cancel: bool,
) -> Vec<Value> {
    let session: SessionId = session.parse().unwrap();
    let after = Seq(*seen.lock().unwrap());
    let mut stream = client.events(&session, Follow::after(after)).await.unwrap();
    client.prompt(&session, Prompt::new(prompt)).await.unwrap();
    let mut events = Vec::new();
    let mut cancelled = !cancel;
    while let Some(event) = within("the next event", stream.next()).await {
        let event = event.unwrap();
        *seen.lock().unwrap() = event.seq.0;
        if let EventBody::PermissionRequested(asked) = &event.body {
            let option = serde_json::from_value(approve.unwrap().into()).unwrap();
            let answer = AnswerPermission { option, message: None };
            client.answer(&asked.permission_id, answer).await.unwrap();
        }
        let value = serde_json::to_value(&event).unwrap();
        if event.kind() == EventKind::MessageChunk && !cancelled && said(&events, &value).ends_with("on") {
            client.cancel(&session, Cancel::default()).await.unwrap();
            cancelled = true;
        }
        events.push(value);
        if event.kind() == EventKind::AgentIdle {
            break;
        }
    }
    events
}

async fn compact(client: &Client, seen: &std::sync::Mutex<u64>, session: &str, focus: &str) -> Vec<Value> {
    let session: SessionId = session.parse().unwrap();
    let after = Seq(*seen.lock().unwrap());
    let mut stream = client.events(&session, Follow::after(after)).await.unwrap();
    client.compact(&session, CompactSession { focus: Some(focus.to_owned()) }).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = within("the next event", stream.next()).await {
        let event = event.unwrap();
        *seen.lock().unwrap() = event.seq.0;
        events.push(serde_json::to_value(&event).unwrap());
        if event.kind() == EventKind::AgentIdle {
            break;
        }
    }
    events
}
