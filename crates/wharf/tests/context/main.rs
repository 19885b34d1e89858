//! What a model is sent: requests that begin as those before them did, and a session that outgrows its model's window, against servers that
//! count and refuse as real ones do.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used)]

mod long;
mod prefixes;
mod refusals;

use std::sync::Arc;

use wharf_engine::{Access, Caller, Engine, EngineConfig, Parts};
use wharf_mcp::Mcp;
use wharf_models::{Models, ModelsConfig};
use wharf_protocol::rest::CreateSession;
use wharf_protocol::{Event, Mode, Prompt, Session, SessionId, Turn};
use wharf_store::{SqliteConfig, SqliteStore};
use wharf_testkit::{ScriptedModel, Workspace};
use wharf_tools::{Toolbox, ToolsConfig};

/// An engine in this process, with a model behind HTTP.
pub struct Room {
    pub access: Access,
    pub workspace: Workspace,
    _engine: Engine,
    _state: tempfile::TempDir,
}

impl Room {
    pub async fn start(model: &ScriptedModel, context_tokens: Option<u64>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let workspace = Workspace::new();
        let models = ModelsConfig {
            model: Some("openai/scripted".to_owned()),
            base_url: Some(model.url()),
            context_tokens,
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
        config.default_mode = Mode::Full;
        let engine = Engine::start(config, parts).await.unwrap();
        let access = engine.access(Caller::owner("test"));
        Self { access, workspace, _engine: engine, _state: state }
    }

    pub async fn session(&self, agent: &str) -> Session {
        let wanted = CreateSession { agent_name: Some(agent.to_owned()), ..CreateSession::default() };
        self.access.create_session(wanted).await.unwrap()
    }

    pub async fn turn(&self, session: &SessionId, text: &str) -> Turn {
        let accepted = self.access.prompt(session, Prompt::new(text)).await.unwrap();
        self.access.wait_turn(session, &accepted.turn_id).await.unwrap()
    }

    pub async fn log(&self, session: &SessionId) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let after = events.last().map(|event: &Event| event.seq);
            let page = self.access.events(session, after, 1_000).await.unwrap();
            events.extend(page.events.iter().map(|event| event.decode().unwrap()));
            if !page.more {
                return events;
            }
        }
    }
}
