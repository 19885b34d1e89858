//! An engine for a test: a scripted model, a temporary workspace, and a store that can be made to fail.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Notify;
use wharf_engine::{Accepted, Access, Caller, Engine, EngineConfig, EngineError, Parts, Watcher};
use wharf_exec::supervisor::SupervisorProgram;
use wharf_mcp::Mcp;
use wharf_models::{Delta, Model, ModelRequest, ModelSource, ModelStream, ResolveError};
use wharf_protocol::model::{ModelError, ModelReply, ProposedCall};
use wharf_protocol::rest::{CreateSession, ModelList};
use wharf_protocol::{
    Event, EventBody, EventKind, MessageId, Mode, Prompt, Seq, Session, SessionId, StopReason, Turn, UnseenImages,
    Usage,
};
use wharf_store::Store;
use wharf_store::memory::MemoryStore;
use wharf_tools::{Toolbox, ToolsConfig};

/// One step of a scripted reply.
#[derive(Clone)]
pub enum Step {
    Text(&'static str),
    Reason(&'static str),
    Call(&'static str, Value),
    /// Waits until the test lets it go on.
    Wait(Arc<Notify>),
    Fail(ModelError),
    Panic,
}

/// A model that says what the test wrote; without a script it says "ok".
#[derive(Default)]
pub struct TestModel {
    replies: Mutex<VecDeque<Vec<Step>>>,
    pub requests: Mutex<Vec<ModelRequest>>,
}

impl TestModel {
    pub fn say(&self, steps: impl Into<Vec<Step>>) {
        self.replies.lock().unwrap().push_back(steps.into());
    }

    pub fn request_count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Waits until it has been asked so many times.
    pub async fn asked(&self, count: usize) {
        let asked = async {
            while self.request_count() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asked).await.expect("the model is not asked");
    }
}

#[derive(Clone, Default)]
pub struct TestModels(pub Arc<TestModel>);

#[async_trait]
impl ModelSource for TestModels {
    async fn resolve(&self, _id: Option<&str>) -> Result<Arc<dyn Model>, ResolveError> {
        Ok(Arc::new(self.clone()))
    }

    async fn list(&self, _: std::time::Duration) -> ModelList {
        ModelList {
            default: "test/model".to_owned(),
            reason: "a test".to_owned(),
            catalogue_as_of: None,
            providers: Vec::new(),
        }
    }
}

#[async_trait]
impl Model for TestModels {
    fn id(&self) -> &str {
        "test/model"
    }

    fn context_tokens(&self) -> Option<u64> {
        None
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        self.0.requests.lock().unwrap().push(request);
        let steps = self.0.replies.lock().unwrap().pop_front().unwrap_or_else(|| vec![Step::Text("ok")]);
        let state = (VecDeque::from(steps), Vec::new(), false);
        Ok(Box::pin(stream::unfold(state, |(mut steps, mut calls, over)| async move {
            loop {
                let delta = match steps.pop_front() {
                    _ if over => return None,
                    Some(Step::Text(text)) => Ok(Delta::Text(text.to_owned())),
                    Some(Step::Reason(text)) => Ok(Delta::Reasoning(text.to_owned())),
                    Some(Step::Call(tool_name, arguments)) => {
                        let arguments = Ok(arguments);
                        calls.push(ProposedCall { tool_name: tool_name.to_owned(), arguments, provider_data: None });
                        continue;
                    }
                    Some(Step::Wait(gate)) => {
                        gate.notified().await;
                        continue;
                    }
                    Some(Step::Fail(error)) => return Some((Err(error), (steps, calls, true))),
                    Some(Step::Panic) => panic!("the script says so"),
                    None => {
                        let usage =
                            Usage { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, ..Usage::default() };
                        let tool_calls = std::mem::take(&mut calls);
                        let finished = ModelReply {
                            stop_reason: StopReason::EndTurn,
                            announces_call: false,
                            tool_calls,
                            usage: Some(usage),
                            cost: None,
                            provider_data: None,
                            unseen: UnseenImages::default(),
                        };
                        return Some((Ok(Delta::Finished(finished)), (steps, calls, true)));
                    }
                };
                return Some((delta, (steps, calls, false)));
            }
        })))
    }
}

/// An engine and what it stands on.
pub struct TestEngine {
    pub engine: Engine,
    pub model: Arc<TestModel>,
    /// All that it holds, to somebody called `test`.
    pub access: Access,
    home: Arc<TempDir>,
}

impl TestEngine {
    pub async fn new() -> Self {
        Self::with(MemoryStore::new(), |_| {}).await
    }

    pub async fn with(store: Arc<dyn Store>, configure: impl FnOnce(&mut EngineConfig)) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), store, configure).await
    }

    /// In a directory that outlives the engine.
    pub async fn at(home: Arc<TempDir>, store: Arc<dyn Store>, configure: impl FnOnce(&mut EngineConfig)) -> Self {
        let work_dir = home.path().join("work");
        std::fs::create_dir_all(&work_dir).unwrap();
        let mut config = EngineConfig::new(&work_dir, home.path().join("state"));
        config.default_mode = Mode::Full;
        configure(&mut config);
        Self::start(home, store, config, Toolbox::builtin(ToolsConfig::default())).await
    }

    /// With the exec supervisor, and with it background commands.
    pub async fn supervised(
        home: Arc<TempDir>,
        store: Arc<dyn Store>,
        configure: impl FnOnce(&mut EngineConfig),
    ) -> Self {
        let work_dir = home.path().join("work");
        std::fs::create_dir_all(&work_dir).unwrap();
        let mut config = EngineConfig::new(&work_dir, home.path().join("state"));
        config.default_mode = Mode::Full;
        configure(&mut config);
        let test = std::env::current_exe().unwrap();
        let path = test.ancestors().nth(2).unwrap().join("examples/crash_server");
        assert!(path.is_file(), "{} is not there: `cargo build -p wharf-engine --examples` makes it", path.display());
        let environment = std::env::vars().filter(|(name, _)| name == "PATH").collect();
        let supervisor = Some(SupervisorProgram { path });
        let tools = Toolbox::builtin(ToolsConfig { environment, supervisor, ..ToolsConfig::default() });
        Self::start(home, store, config, tools).await
    }

    async fn start(home: Arc<TempDir>, store: Arc<dyn Store>, config: EngineConfig, tools: Toolbox) -> Self {
        let models = TestModels::default();
        let parts = Parts { store, models: Arc::new(models.clone()), tools, mcp: Mcp::default() };
        let engine = Engine::start(config, parts).await.unwrap();
        let access = engine.access(Caller::owner("test"));
        Self { engine, access, model: models.0, home }
    }

    pub fn work_dir(&self) -> PathBuf {
        self.home.path().join("work")
    }

    pub async fn session(&self) -> Session {
        self.access.create_session(CreateSession::default()).await.unwrap()
    }

    pub async fn prompt(&self, session: &SessionId, text: &str) -> Result<Accepted, EngineError> {
        self.access.prompt(session, Prompt::new(text)).await
    }

    pub async fn prompt_with_id(&self, session: &SessionId, id: &str, text: &str) -> Result<Accepted, EngineError> {
        let id: MessageId = id.parse().unwrap();
        self.access.prompt(session, Prompt { id: Some(id), ..Prompt::new(text) }).await
    }

    /// A prompt, up to the end of its turn.
    pub async fn turn(&self, session: &SessionId, text: &str) -> Turn {
        let accepted = self.prompt(session, text).await.unwrap();
        self.access.wait_turn(session, &accepted.turn_id).await.unwrap()
    }

    /// Everything on the log, decoded.
    pub async fn log(&self, session: &SessionId) -> Vec<Event> {
        let page = self.access.events(session, None, 1_000).await.unwrap();
        assert!(!page.more, "a test with such a long log reads it itself");
        page.events.iter().map(|event| event.decode().unwrap()).collect()
    }

    pub async fn kinds(&self, session: &SessionId) -> Vec<&'static str> {
        self.log(session).await.iter().map(|event| event.kind().as_str()).collect()
    }

    /// Waits until an event of that kind is on the log, after `after`.
    pub async fn wait_for(&self, session: &SessionId, after: Seq, kind: EventKind) -> Event {
        let mut cursor = self.access.watch(session, Some(after), Watcher { may_answer: false }).await.unwrap();
        let found = async {
            loop {
                for event in cursor.next(1 << 20).await.unwrap() {
                    if event.kind == kind {
                        return event.decode().unwrap();
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("no {kind} came"))
    }

    /// What runs is left to recovery.
    pub async fn stop_at_once(&self) {
        self.engine.stop(Duration::ZERO).await;
    }

    pub async fn stop(&self) {
        self.engine.stop(Duration::from_secs(10)).await;
    }
}

/// The text of a message, from its chunks, and as it was completed.
pub fn texts(log: &[Event]) -> (String, String) {
    let mut chunks = String::new();
    let mut complete = String::new();
    for event in log {
        match &event.body {
            EventBody::MessageChunk(chunk) => {
                assert_eq!(chunk.offset as usize, chunks.len());
                chunks.push_str(&chunk.content);
            }
            EventBody::MessageComplete(message) => complete.push_str(&message.content),
            _ => {}
        }
    }
    (chunks, complete)
}
