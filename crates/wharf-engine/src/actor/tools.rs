//! What the session's agent works with: its tools, those of MCP servers and clients, its instructions, and where its calls run.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use wharf_core::Bound;
use wharf_protocol::{Agent, CallId, SeenPath, Session, ToolLocation, ToolSpec};
use wharf_tools::{CallContext, ClientTool, Guard, Home, PathRules, Progress, Tool, Workspace};

use super::Actor;
use crate::directories;
use crate::mcp::{LiveMcp, READY_LIMIT};
use crate::session_commands::SessionCommands;

impl Actor {
    /// Takes the tools and instructions of the agent that is at work now, or will be.
    pub(super) fn follow_agent(&mut self) {
        let is_another = self.core.agent_name() != self.agent_name;
        let is_due = self.is_reconfigured && self.core.is_quiet();
        if !is_another && !is_due {
            return;
        }
        self.is_reconfigured = false;
        self.agent_name = self.core.agent_name().to_owned();
        let agent = self.shared.agent(&self.agent_name);
        self.builtin = self.shared.tools_of(&agent);
        self.tools = self.all_tools();
        self.system = instructions(&agent, self.core.session());
        self.core.set_agent(Arc::clone(&self.tools), agent.max_steps);
        self.core.set_instructions(self.system.len());
    }

    /// What the session's model takes, where that is known before it is asked.
    pub(super) fn look_at_window(&mut self) {
        let model = &self.core.session().model;
        let known = self.shared.models.context_tokens(model);
        if known.is_some() || *model != self.window_of {
            self.window_of.clone_from(model);
            self.core.set_context_limit(known);
        }
    }

    /// The model is told of the directories that the session has now.
    pub(super) fn follow_directories(&mut self) {
        self.system = instructions(&self.shared.agent(&self.agent_name), self.core.session());
        self.core.set_instructions(self.system.len());
    }

    /// The tool of that name that the call may use.
    fn tool(&self, call_id: &CallId, tool_name: &str) -> Option<Arc<dyn Tool>> {
        let prompt = self.core.prompt_of_call(call_id);
        let from_mcp = || self.mcp.as_ref().and_then(|mcp| mcp.tool(tool_name));
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
        let rules = (!rules.is_empty()).then(|| Box::new(KeptPaths(rules)) as Box<dyn PathRules>);
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
        let config = self.shared.config();
        let masked: Vec<PathBuf> = config.masked.iter().chain([&config.state_dir]).cloned().collect();
        let session = self.core.session();
        Workspace::open_in(&self.home(), &session.additional_directories, &masked)
    }

    /// Takes over the tools of the session's MCP servers and clients, where they have changed.
    pub(super) fn look_at_tools(&mut self) {
        let of_servers = self.mcp.as_mut().is_some_and(LiveMcp::look);
        let of_clients = self.client_tools.has_changed().unwrap_or(false);
        let location = self.core.session().tool_location;
        if !of_servers && !of_clients && location == self.tool_location {
            return;
        }
        self.client_tools.mark_unchanged();
        self.tool_location = location;
        self.tools = self.all_tools();
        self.core.set_tools(Arc::clone(&self.tools));
    }

    fn asks_clients(&self) -> bool {
        self.core.session().tool_location == ToolLocation::Client
    }

    /// All of them once everybody has said which they have, where somebody has not yet.
    pub(super) fn awaited_tools(&self) -> Option<impl Future<Output = Arc<[Arc<ToolSpec>]>> + Send + use<>> {
        let clients = self.asks_clients().then(|| (Arc::clone(&self.shared.clients), self.session.clone()));
        let is_settled = self.mcp.as_ref().is_none_or(|mcp| mcp.set.is_settled())
            && clients.as_ref().is_none_or(|(clients, session)| clients.is_settled(session));
        if is_settled {
            return None;
        }
        let (builtin, set) = (Arc::clone(&self.builtin), self.mcp.as_ref().map(|mcp| Arc::clone(&mcp.set)));
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
        let mut more = self.mcp.as_ref().map(LiveMcp::specs).unwrap_or_default();
        if self.asks_clients() {
            more.extend(self.shared.clients.specs(&self.session));
        }
        beside(&self.builtin, more)
    }
}

/// The session's rules, as tools ask them.
struct KeptPaths(wharf_core::PathRules);

impl PathRules for KeptPaths {
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

/// The agent's instructions and what it has to know of the workspace. The same as long as the session's directories are, so
/// that providers can cache it.
pub(super) fn instructions(agent: &Agent, session: &Session) -> Arc<str> {
    let os = std::env::consts::OS;
    let mut text = format!("{}\n\nWorkspace: {}\n", agent.instructions, session.cwd.display());
    if !session.additional_directories.is_empty() {
        let further: Vec<String> =
            session.additional_directories.iter().map(|path| path.display().to_string()).collect();
        text.push_str(&format!("Further directories, by absolute paths: {}\n", further.join(", ")));
    }
    text.push_str(&format!("Operating system: {os}"));
    text.into()
}
