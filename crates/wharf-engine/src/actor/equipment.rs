//! What the session's agent works with: its tools, those of MCP servers and clients, its instructions, and where its calls run.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use wharf_core::{Bound, Input};
use wharf_protocol::{CallId, McpServer, SeenPath, Session, Timestamp, ToolLocation, ToolSpec};
use wharf_tools::{CallContext, ClientTool, FileRules, Guard, Home, Progress, Tool, Workspace};

use super::Actor;
use crate::instructions::Addressee;
use crate::live::Shared;
use crate::mcp::{LiveMcp, READY_LIMIT};
use crate::session_commands::SessionCommands;
use crate::{EngineError, directories};

/// What the agent has. The core is told of it by inputs.
pub(super) struct Equipment {
    /// Whose tools and instructions these are.
    agent_name: String,
    max_steps: u32,
    /// The agent's own.
    builtin: Arc<[Arc<ToolSpec>]>,
    /// These, those of the session's MCP servers, and those that its clients have.
    pub(super) tools: Arc<[Arc<ToolSpec>]>,
    pub(super) mcp: Option<LiveMcp>,
    /// Counts changes of the clients' tools; and whether they count, when they were looked at last.
    client_tools: watch::Receiver<u64>,
    tool_location: ToolLocation,
    pub(super) system: Arc<str>,
    /// The window that the core was told, and the model that has it.
    window: Option<u64>,
    window_of: String,
    /// What the agent has may have changed since it was looked at.
    pub(super) is_reconfigured: bool,
    /// What the core does not know yet.
    untold: Option<Untold>,
    has_untold_instructions: bool,
}

enum Untold {
    Tools,
    /// Also the agent's steps.
    Agent,
}

impl Equipment {
    /// What the session's agent has by itself, and the servers and clients that may have more.
    pub(super) async fn new(shared: &Shared, session: &Session) -> Self {
        let agent = shared.agent(&session.agent_name);
        let builtin = shared.tools_of(&agent);
        let mut client_tools = shared.clients.changes(&session.id);
        client_tools.mark_changed();
        Self {
            agent_name: session.agent_name.clone(),
            max_steps: agent.max_steps,
            tools: Arc::clone(&builtin),
            builtin,
            mcp: shared.mcp.open(&session.id, &directories::home(&shared.config(), &session.cwd)).await,
            client_tools,
            tool_location: session.tool_location,
            system: shared.instructions.text(&Addressee { agent: &agent, session }),
            window: None,
            window_of: String::new(),
            is_reconfigured: false,
            untold: None,
            has_untold_instructions: true,
        }
    }

    /// The agent's own tools.
    pub(super) fn own_tools(&self) -> Arc<[Arc<ToolSpec>]> {
        Arc::clone(&self.builtin)
    }

    /// What the core has to be told, once.
    pub(super) fn untold(&mut self) -> Option<Input> {
        if mem::take(&mut self.has_untold_instructions) {
            return Some(Input::InstructionsChanged { bytes: self.system.len() });
        }
        let untold = self.untold.take()?;
        let tools = Arc::clone(&self.tools);
        Some(match untold {
            Untold::Tools => Input::ToolsChanged(tools),
            Untold::Agent => Input::AgentChanged { tools, max_steps: self.max_steps },
        })
    }
}

impl Actor {
    /// Takes the tools and instructions of the agent that is at work now, or will be.
    pub(super) fn follow_agent(&mut self) {
        let is_another = self.core.agent_name() != self.equipment.agent_name;
        let is_due = self.equipment.is_reconfigured && self.core.is_quiet();
        if !is_another && !is_due {
            return;
        }
        self.equipment.is_reconfigured = false;
        self.equipment.agent_name = self.core.agent_name().to_owned();
        let agent = self.shared.agent(&self.equipment.agent_name);
        self.equipment.max_steps = agent.max_steps;
        self.equipment.builtin = self.shared.tools_of(&agent);
        self.equipment.tools = self.all_tools();
        self.equipment.system =
            self.shared.instructions.text(&Addressee { agent: &agent, session: self.core.session() });
        self.equipment.untold = Some(Untold::Agent);
        self.equipment.has_untold_instructions = true;
    }

    /// What the session's model takes, where that is known before it is asked.
    pub(super) async fn look_at_window(&mut self) -> Result<(), EngineError> {
        let model = &self.core.session().model;
        let known = self.shared.models.context_tokens(model);
        if known.is_none() && *model == self.equipment.window_of {
            return Ok(());
        }
        self.equipment.window_of.clone_from(model);
        self.tell_window(known, None).await
    }

    /// Tells the core what the session's model takes, where it does not know that yet, or where the request `ask` waits for it.
    pub(super) async fn tell_window(&mut self, tokens: Option<u64>, ask: Option<u64>) -> Result<(), EngineError> {
        if ask.is_none() && tokens == self.equipment.window {
            return Ok(());
        }
        self.equipment.window = tokens;
        let outcome = self.core.handle(Timestamp::now(), Input::WindowKnown { tokens, ask });
        self.settle(outcome).await.map(drop)
    }

    /// The model is told of the directories that the session has now.
    pub(super) fn follow_directories(&mut self) {
        let agent = self.shared.agent(&self.equipment.agent_name);
        self.equipment.system =
            self.shared.instructions.text(&Addressee { agent: &agent, session: self.core.session() });
        self.equipment.has_untold_instructions = true;
    }

    /// The tool of that name that the call may use.
    fn tool(&self, call_id: &CallId, tool_name: &str) -> Option<Arc<dyn Tool>> {
        let prompt = self.core.prompt_of_call(call_id);
        let from_mcp = || self.equipment.mcp.as_ref().and_then(|mcp| mcp.tool(tool_name));
        let from_client = || {
            let is_client = self.asks_clients() && tool_name.starts_with(ClientTool::PREFIX);
            is_client.then(|| self.shared.clients.tool(&self.session, prompt, tool_name)).flatten()
        };
        self.shared.tools.get(tool_name).or_else(from_mcp).or_else(from_client)
    }

    /// Looks at what a call would touch, before it is decided.
    pub(super) fn look_at_call(&mut self, call_id: CallId, tool_name: &str, arguments: Value, preview: bool) {
        let tool = self.tool(&call_id, tool_name);
        match self.workspace() {
            Ok(workspace) => {
                let context = self.context(call_id, workspace, Arc::default(), 0);
                self.calls.look(tool, arguments, context, preview);
            }
            // To run it fails for the same reason, and says it.
            Err(_) => self.calls.see_nothing(call_id),
        }
    }

    pub(super) fn run_call(
        &mut self,
        call_id: CallId,
        tool_name: &str,
        arguments: Value,
        timeout_ms: u64,
        alone: bool,
        bound: Bound,
    ) {
        let Some(tool) = self.tool(&call_id, tool_name) else {
            return self.calls.fail(call_id, format!("tool {tool_name} is not there any more"));
        };
        let workspace = match self.workspace() {
            Ok(workspace) => workspace,
            Err(error) => {
                let cwd = self.core.session().cwd.display();
                return self.calls.fail(call_id, format!("the workspace {cwd} cannot be used: {error}"));
            }
        };
        let guard = self.guard(Arc::clone(tool.spec()), bound);
        let context = self.context(call_id, workspace.guarded(Arc::clone(&guard)), guard, timeout_ms);
        let alone = alone.then(|| Arc::clone(&self.shared.running_again));
        self.calls.start(tool, arguments, context, alone);
    }

    /// What binds a call: the rules about paths, and what was judged and shown.
    fn guard(&self, spec: Arc<ToolSpec>, bound: Bound) -> Arc<Guard> {
        let rules = self.core.path_rules(spec, bound.is_approved);
        let rules = (!rules.is_empty()).then(|| Box::new(KeptPaths(rules)) as Box<dyn FileRules>);
        Guard::new(rules, bound.paths, bound.digest)
    }

    fn context(&self, call_id: CallId, workspace: Arc<Workspace>, guard: Arc<Guard>, timeout_ms: u64) -> CallContext {
        let clients = self.shared.clients.of(&self.session, self.core.prompt_of_call(&call_id));
        let clients = if self.asks_clients() { clients } else { clients.only_to_ask() };
        let commands = SessionCommands::new(&self.shared, &self.session);
        CallContext {
            session_id: self.session.clone(),
            call_id,
            workspace,
            guard,
            clients,
            cancel: tokio_util::sync::CancellationToken::new(),
            progress: Progress::channel().0,
            output_limit: self.shared.config().limits.tool_output_bytes,
            output_dir: self.output_dir(),
            commands: Some(Arc::new(commands)),
            timeout_ms,
        }
    }

    /// The session's directory, by its name.
    pub(super) fn home(&self) -> Home {
        directories::home(&self.shared.config(), &self.core.session().cwd)
    }

    /// The directories that have the session's names now: each call looks for itself, as others make, move and replace directories.
    fn workspace(&self) -> std::io::Result<Arc<Workspace>> {
        Workspace::open_in(&self.home(), &self.core.session().additional_directories, &self.masked())
    }

    /// Wharf's own files and directories, which no tool opens.
    pub(super) fn masked(&self) -> Vec<PathBuf> {
        let config = self.shared.config();
        config.masked.iter().chain([&config.state_dir]).cloned().collect()
    }

    /// Takes over the tools of the session's MCP servers and clients, where they have changed.
    pub(super) fn look_at_tools(&mut self) {
        let of_servers = self.equipment.mcp.as_mut().is_some_and(LiveMcp::look);
        let of_clients = self.equipment.client_tools.has_changed().unwrap_or(false);
        let location = self.core.session().tool_location;
        if !of_servers && !of_clients && location == self.equipment.tool_location {
            return;
        }
        self.equipment.client_tools.mark_unchanged();
        self.equipment.tool_location = location;
        self.equipment.tools = self.all_tools();
        self.equipment.untold.get_or_insert(Untold::Tools);
    }

    /// Gives the session other MCP servers than before. Where that cannot be kept, nothing changes.
    pub(super) async fn replace_mcp(&mut self, servers: Vec<McpServer>) -> Result<(), EngineError> {
        let (old, home) = (self.equipment.mcp.take(), self.home());
        match self.shared.mcp.replace(&self.session, &home, servers, old).await {
            Ok(mcp) => {
                self.equipment.mcp = Some(mcp);
                self.look_at_tools();
                Ok(())
            }
            Err(error) => {
                // What is kept did not change: neither does what is open.
                self.equipment.mcp = self.shared.mcp.open(&self.session, &home).await;
                Err(error)
            }
        }
    }

    fn asks_clients(&self) -> bool {
        self.core.session().tool_location == ToolLocation::Client
    }

    /// All of them once everybody has said which they have, where somebody has not yet.
    pub(super) fn awaited_tools(&self) -> Option<impl Future<Output = Arc<[Arc<ToolSpec>]>> + Send + use<>> {
        let clients = self.asks_clients().then(|| (Arc::clone(&self.shared.clients), self.session.clone()));
        let is_settled = self.equipment.mcp.as_ref().is_none_or(|mcp| mcp.set.is_settled())
            && clients.as_ref().is_none_or(|(clients, session)| clients.is_settled(session));
        if is_settled {
            return None;
        }
        let (builtin, set) =
            (Arc::clone(&self.equipment.builtin), self.equipment.mcp.as_ref().map(|mcp| Arc::clone(&mcp.set)));
        Some(async move {
            let mut more = Vec::new();
            if let Some(set) = set {
                set.settled(READY_LIMIT).await;
                more.extend(set.tools().iter().map(|tool| Arc::clone(tool.spec())));
            }
            if let Some((clients, session)) = clients {
                clients.settled(&session).await;
                more.extend(clients.specs(&session));
            }
            beside(&builtin, more)
        })
    }

    /// The agent's own tools, and all others that the session has now.
    fn all_tools(&self) -> Arc<[Arc<ToolSpec>]> {
        let mut more = self.equipment.mcp.as_ref().map(LiveMcp::specs).unwrap_or_default();
        if self.asks_clients() {
            more.extend(self.shared.clients.specs(&self.session));
        }
        beside(&self.equipment.builtin, more)
    }
}

/// The session's rules, as tools ask them.
struct KeptPaths(wharf_core::PathRules);

impl FileRules for KeptPaths {
    fn denied(&self, name: &str, absolute: &str) -> Option<String> {
        self.0.denied(&SeenPath { name: name.to_owned(), absolute: absolute.to_owned() })
    }

    fn hidden(&self, name: &str, absolute: &str) -> Option<String> {
        self.0.hidden(&SeenPath { name: name.to_owned(), absolute: absolute.to_owned() })
    }
}

/// The agent's own tools and those of MCP servers and clients, whose names never hide one of ours.
fn beside(builtin: &[Arc<ToolSpec>], more: Vec<Arc<ToolSpec>>) -> Arc<[Arc<ToolSpec>]> {
    builtin.iter().cloned().chain(more).collect()
}
