//! A server for a test, and clients that see its bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, stream};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use wharf_engine::{Engine, EngineConfig, Parts};
use wharf_models::{Delta, Model, ModelRequest, ModelSource, ModelStream, ResolveError};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply, ProposedCall};
use wharf_protocol::rest::ModelList;
use wharf_protocol::{Mode, Role, Scope, Scopes, StopReason, UnseenImages, Usage};
use wharf_server::{Auth, Key, Server, ServerConfig, ServerError};
use wharf_store::MemoryStore;
use wharf_testkit::sse::{Frame, Item, Parser};
use wharf_testkit::wait::within;
use wharf_tools::{Toolbox, ToolsConfig};

/// May do everything.
pub const KEY: &str = "secret-of-laptop";
/// May read.
pub const READER: &str = "secret-of-reader";

/// A model that does what the prompt says: steps with `|` between them. `wait` holds until the test opens the gate, `call NAME
/// JSON` calls a tool, `big N` says N times 1,000 letters, `fail` fails; anything else is said.
#[derive(Clone)]
struct Obedient {
    gate: Arc<Semaphore>,
}

#[async_trait]
impl ModelSource for Obedient {
    async fn resolve(&self, _: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        Ok(Arc::new(self.clone()))
    }

    async fn list(&self, _: std::time::Duration) -> ModelList {
        ModelList {
            default: "test/obedient".to_owned(),
            reason: "a test".to_owned(),
            catalogue_as_of: None,
            providers: Vec::new(),
        }
    }
}

#[async_trait]
impl Model for Obedient {
    fn id(&self) -> &str {
        "test/obedient"
    }

    fn context_tokens(&self) -> Option<u64> {
        None
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let last = request.messages.last().unwrap();
        let script =
            if last.role == Role::Tool { "done".to_owned() } else { wharf_protocol::content::text_of(&last.content) };
        let steps: VecDeque<String> = script.split('|').map(ToOwned::to_owned).collect();
        let state = (steps, Vec::new(), Arc::clone(&self.gate), false);
        Ok(Box::pin(stream::unfold(state, |(mut steps, mut calls, gate, over)| async move {
            if over {
                return None;
            }
            loop {
                let Some(step) = steps.pop_front() else {
                    let finished = ModelReply {
                        stop_reason: StopReason::EndTurn,
                        announces_call: false,
                        tool_calls: std::mem::take(&mut calls),
                        usage: Some(Usage {
                            prompt_tokens: 3,
                            completion_tokens: 2,
                            total_tokens: 5,
                            ..Usage::default()
                        }),
                        cost: None,
                        provider_data: None,
                        unseen: UnseenImages::default(),
                    };
                    return Some((Ok(Delta::Finished(finished)), (steps, calls, gate, true)));
                };
                let words: Vec<&str> = step.splitn(3, ' ').collect();
                let delta = match words.as_slice() {
                    ["wait"] => {
                        gate.acquire().await.unwrap().forget();
                        continue;
                    }
                    ["call", name, arguments] => {
                        calls.push(ProposedCall {
                            tool_name: (*name).to_owned(),
                            arguments: Ok(serde_json::from_str(arguments).unwrap()),
                            provider_data: None,
                        });
                        continue;
                    }
                    ["big", count] => {
                        let count: usize = count.parse().unwrap();
                        if count > 1 {
                            steps.push_front(format!("big {}", count - 1));
                        }
                        Ok(Delta::Text("x".repeat(1_000)))
                    }
                    ["fail"] => Err(ModelError {
                        kind: ModelErrorKind::Refused,
                        message: "no such model".to_owned(),
                        retry_after_ms: None,
                    }),
                    _ => Ok(Delta::Text(step)),
                };
                let over = delta.is_err();
                return Some((delta, (steps, calls, gate, over)));
            }
        })))
    }
}

/// How a test's server differs from the usual one.
pub struct Builder {
    pub server: ServerConfig,
    pub mode: Mode,
}

impl Builder {
    pub async fn start(self) -> TestServer {
        let Bound { server, engine, gate, home } = self.bind().await;
        let address = server.local_addr();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.serve(shutdown.clone()));
        wharf_tls::choose_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        TestServer { address, engine, gate, shutdown, serving, http, _home: home }
    }

    /// A server that accepts nothing by itself.
    pub async fn bind(self) -> Bound {
        let home = tempfile::tempdir().unwrap();
        let work_dir = home.path().join("work");
        std::fs::create_dir_all(&work_dir).unwrap();
        let mut config = EngineConfig::new(&work_dir, home.path().join("state"));
        config.default_mode = self.mode;
        config.limits = self.server.limits.clone();
        let gate = Arc::new(Semaphore::new(0));
        let parts = Parts {
            store: MemoryStore::new(),
            models: Arc::new(Obedient { gate: Arc::clone(&gate) }),
            tools: Toolbox::builtin(ToolsConfig::default()),
            mcp: Default::default(),
        };
        let engine = Engine::start(config, parts).await.unwrap();
        let server = Server::bind(self.server, engine.clone()).unwrap();
        Bound { server, engine, gate, home }
    }
}

pub struct Bound {
    pub server: Server,
    pub engine: Engine,
    pub gate: Arc<Semaphore>,
    home: TempDir,
}

pub struct TestServer {
    pub address: SocketAddr,
    pub engine: Engine,
    pub gate: Arc<Semaphore>,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<Result<(), ServerError>>,
    pub http: reqwest::Client,
    _home: TempDir,
}

impl TestServer {
    pub fn builder() -> Builder {
        let keys = vec![
            Key::from_secret("laptop", KEY, Scopes::ALL),
            Key::from_secret("reader", READER, [Scope::SessionsRead].into_iter().collect()),
        ];
        let mut server = ServerConfig::new(Auth::Keys(keys));
        server.port = 0;
        server.limits.requests_per_second = 0;
        server.drain_grace = Duration::ZERO;
        Builder { server, mode: Mode::Full }
    }

    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(KEY)
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }

    /// A new session's id.
    pub async fn session(&self) -> String {
        let (status, session) = self.post("/api/v1/sessions", json!({})).await;
        assert_eq!(status, 200, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }

    pub async fn prompt(&self, session: &str, content: &str) -> Value {
        let path = format!("/api/v1/sessions/{session}/prompt");
        let (status, answer) = self.post(&path, json!({ "content": content })).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Asks without waiting; returns the answer once accepted.
    pub async fn prompt_async(&self, session: &str, content: &str) -> Value {
        let path = format!("/api/v1/sessions/{session}/prompt");
        let request =
            self.request(Method::POST, &path).header("Prefer", "respond-async").json(&json!({ "content": content }));
        let (status, answer) = read(request).await;
        assert_eq!(status, 202, "{answer}");
        answer
    }

    /// Opens the gate for one `wait`.
    pub fn open_gate(&self) {
        self.gate.add_permits(1);
    }

    pub async fn events(&self, path: &str) -> EventReader {
        let response = self.request(Method::GET, path).header("Accept", "text/event-stream").send().await.unwrap();
        EventReader::new(response)
    }

    /// The whole log, as its page gives it.
    pub async fn log(&self, session: &str) -> Vec<Value> {
        let (status, page) = self.get(&format!("/api/v1/sessions/{session}/events")).await;
        assert_eq!(status, 200, "{page}");
        page["events"].as_array().unwrap().clone()
    }

    pub async fn socket(&self, query: &str) -> Socket {
        self.try_socket(query, Some(KEY)).await.unwrap()
    }

    pub async fn try_socket(&self, query: &str, key: Option<&str>) -> Result<Socket, StatusCode> {
        let mut request = format!("ws://{}/ws{query}", self.address).into_client_request().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::Error::Http(response)) => Err(StatusCode::from_u16(response.status().as_u16()).unwrap()),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Sends a request and reads the JSON object that every answer is.
pub async fn read(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status, body)
}

/// Frames of an event stream.
pub struct EventReader {
    pub response: Response,
    parser: Parser,
}

impl EventReader {
    pub fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    pub async fn next_item(&mut self) -> Option<Item> {
        within("an event", async {
            loop {
                if let Some(item) = self.parser.next_item().unwrap() {
                    return Some(item);
                }
                self.parser.push(&self.response.chunk().await.unwrap()?);
            }
        })
        .await
    }

    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.next_item().await? {
                Item::Frame(frame) => return Some(frame),
                Item::Comment(_) => {}
            }
        }
    }

    /// Frames up to and including the first of that type.
    pub async fn until(&mut self, event: &str) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let Some(frame) = self.next().await else { panic!("the stream ended before {event}: {frames:?}") };
            let found = frame.event == event;
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

/// A WebSocket client.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, id: &str, payload: Value) {
        let frame =
            json!({ "type": "request", "id": id, "timestamp": "2026-11-20T12:25:47.646098", "payload": payload });
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next frame; `Err` holds how the server closed.
    pub async fn read(&mut self) -> Result<Value, Option<CloseFrame>> {
        within("a frame", async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(frame))) => return Err(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        })
        .await
    }

    pub async fn next(&mut self) -> Value {
        match self.read().await {
            Ok(frame) => frame,
            Err(close) => panic!("the socket closed: {close:?}"),
        }
    }

    /// Frames up to and including the first that `is_last` picks.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let last = is_last(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// The answer to the request `id`; what comes before it is passed over.
    pub async fn answer(&mut self, id: &str) -> Value {
        self.until(|frame| frame["id"] == id).await.pop().unwrap()
    }

    pub async fn until_kind(&mut self, kind: &str) -> Vec<Value> {
        self.until(|frame| frame["payload"]["kind"] == kind).await
    }
}
