//! The one door: everything that a transport or an embedded client can ask for, in the name of a caller.

mod checks;
mod commands;
mod context;
mod copy;
mod logs;
mod mcp;
mod prompts;
mod sessions;
mod tools;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Answer, Input};
use wharf_mcp::Mcp;
use wharf_models::ModelSource;
use wharf_protocol::rest::ModelList;
use wharf_protocol::{Agent, SessionId};
use wharf_store::Store;
use wharf_tools::Toolbox;

use crate::live::Shared;
use crate::request::Request;
use crate::{Caller, EngineConfig, EngineError, directories, owner};

use checks::check_agents;

pub use copy::{Export, Import};
pub use logs::EventPage;
pub use mcp::check_mcp;

/// Bytes that one page of events holds, about.
const PAGE_BYTES: usize = 4 << 20;

/// What the engine stands on.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub models: Arc<dyn ModelSource>,
    pub tools: Toolbox,
    pub mcp: Mcp,
}

/// A running engine, to whoever runs it: its start, its settings, its end. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// The engine as one caller may use it: every read and every change of what it holds. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
    caller: Caller,
}

impl Engine {
    /// Starts the engine and takes up what a dead one left, in the background.
    pub async fn start(config: EngineConfig, parts: Parts) -> Result<Self, EngineError> {
        check_agents(&config)?;
        let Parts { store, models, tools, mcp } = parts;
        let shared = Shared::new(config, store, models, tools, mcp, owner::own);
        if shared.config().recover_at_start {
            shared.tasks.spawn(upkeep::recover(Arc::clone(&shared)));
        }
        shared.tasks.spawn(upkeep::maintain(Arc::clone(&shared)));
        shared.tasks.spawn(upkeep::mend(Arc::clone(&shared)));
        Ok(Self { shared })
    }

    /// The engine as `caller` may use it.
    #[must_use]
    pub fn access(&self, caller: Caller) -> Access {
        Access { shared: Arc::clone(&self.shared), caller }
    }

    #[must_use]
    pub fn config(&self) -> Arc<EngineConfig> {
        self.shared.config()
    }

    /// From here on the engine is run with this: sessions that are not live at once, live ones from their next turn on. Where it
    /// keeps its state cannot be changed.
    pub fn reconfigure(&self, config: EngineConfig) -> Result<(), EngineError> {
        check_agents(&config)?;
        let state_dir = self.shared.config().state_dir.clone();
        self.shared.reconfigure(EngineConfig { state_dir, ..config });
        Ok(())
    }

    /// `Err` says why no new work is taken. Costs nothing; [`Engine::check`] also asks the store.
    pub fn is_ready(&self) -> Result<(), EngineError> {
        self.shared.check_ready()
    }

    /// Whether work would be taken now.
    pub async fn check(&self) -> Result<(), EngineError> {
        self.is_ready()?;
        Ok(self.shared.store.check().await?)
    }

    /// Sessions with a turn that runs or waits.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.shared.counts().0
    }

    /// No further turn starts; running ones go on.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// Drains, waits for running turns up to `grace`, then stops; what still runs is left to recovery.
    pub async fn stop(&self, grace: Duration) {
        self.drain();
        let quiet = async {
            while self.shared.counts().0 > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(grace, quiet).await.is_err() {
            tracing::warn!("turns were still running; they go on after the next start");
        }
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.mcp.close(grace).await;
        self.shared.store.close().await;
    }
}

impl Access {
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    #[must_use]
    pub fn agents(&self) -> Vec<Agent> {
        self.shared.config().agents.clone()
    }

    /// Providers and their models; a server that does not list them within `wait` is shown without them.
    pub async fn models(&self, wait: Duration) -> ModelList {
        self.shared.models.list(wait).await
    }

    async fn ask(&self, session: &SessionId, input: Input) -> Result<Answer, EngineError> {
        let input = Box::new(input);
        self.shared.ask(session, |reply| Request::Ask { input, reply }).await
    }

    fn agent_of(&self, name: Option<&str>) -> Result<Agent, EngineError> {
        let config = self.shared.config();
        let agents = &config.agents;
        match name {
            None => agents.first(),
            Some(name) => agents.iter().find(|agent| agent.name == name),
        }
        .cloned()
        .ok_or_else(|| EngineError::AgentNotFound {
            name: name.unwrap_or_default().to_owned(),
            known: agents.iter().map(|agent| agent.name.clone()).collect(),
        })
    }

    /// The full name of a model that can be used now.
    async fn model_of(&self, wanted: Option<&str>) -> Result<String, EngineError> {
        match self.shared.models.resolve(wanted).await {
            Ok(model) => Ok(model.id().to_owned()),
            Err(error) => Err(EngineError::Invalid { field: "model", reason: error.to_string() }),
        }
    }

    /// The real directory that a session may work in.
    fn workspace_of(&self, cwd: Option<PathBuf>) -> Result<PathBuf, EngineError> {
        let config = self.shared.config();
        let cwd = cwd.unwrap_or_else(|| config.work_dir.clone());
        directories::real(&config, "cwd", &cwd)
    }
}
