//! Tools: one port, the built-in tools, and the workspace that confines them.
//!
//! The only crate that touches the user's files. What may run was decided before a call gets here.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

mod arguments;
mod blocking;
mod client;
pub mod commands;
mod diff;
mod editor;
mod guard;
mod name;
mod output;
mod patch;
mod question;
mod recorded;
pub mod remote;
mod seen;
mod text;
mod toolbox;
mod tools;
mod workspace;

#[cfg(test)]
mod testing;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wharf_exec::RunContext;
use wharf_protocol::tool::{FileDiff, Location, PlanEntry};
use wharf_protocol::{CallId, ContentBlock, Seen, SessionId, ToolSpec};

pub use client::{
    ClientHost, ClientTool, Clients, HostError, Offers, Terminal, TerminalCommand, TerminalExit, TerminalOutput,
};
pub use guard::{Guard, PathRules};
pub use question::{Field, FieldKind, Question, Reply};
pub use recorded::{Recorded, recorded};
pub use toolbox::{Toolbox, ToolsConfig};
pub use wharf_exec::Progress;
pub use workspace::{Home, PathError, Workspace};

/// Something that an agent can do.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    fn spec(&self) -> &Arc<ToolSpec>;

    /// What permission rules match in these arguments: a command, paths, a pattern. Built-in tools forgive other names
    /// of an argument, so a rule has to look here and not at the arguments as they came. Empty where they are unusable.
    fn subjects(&self, arguments: &Value) -> Vec<String> {
        let subject = self.spec().subject.as_deref().and_then(|name| arguments.get(name)?.as_str());
        subject.map(str::to_owned).into_iter().collect()
    }

    /// What a call with these arguments would touch, and with `preview` what it would change. Changes nothing.
    async fn look(&self, arguments: &Value, context: &CallContext, preview: bool) -> Seen {
        let _ = (arguments, context, preview);
        Seen::default()
    }

    /// Runs one call to its end. Observes `context.cancel`: on return, every process that the call started is dead.
    async fn run(&self, arguments: Value, context: CallContext) -> Result<ToolOutput, ToolError>;
}

/// What a call gets to work with.
pub struct CallContext {
    pub session_id: SessionId,
    pub call_id: CallId,
    /// Bound by `guard`.
    pub workspace: Arc<Workspace>,
    /// What was judged and shown before the call began.
    pub guard: Arc<Guard>,
    /// The clients that the call may turn to.
    pub clients: Clients,
    /// Cancelled by the user or because the time is up: the tool returns `ToolError::Stopped`.
    pub cancel: CancellationToken,
    pub progress: Progress,
    /// Most bytes of `ToolOutput::result`; the rest goes into a file under `output_dir`.
    pub output_limit: usize,
    /// Ours, outside the workspace; made when first needed.
    pub output_dir: PathBuf,
    /// The background commands of the session; `None`: this program runs none.
    pub commands: Option<Arc<dyn commands::Commands>>,
    /// The call's limit, in milliseconds. The engine enforces it by `cancel`; tools may take less.
    pub timeout_ms: u64,
}

impl CallContext {
    /// The same for a command that runs for the call.
    pub(crate) fn for_commands(&self) -> RunContext {
        RunContext {
            call_id: self.call_id.clone(),
            cancel: self.cancel.clone(),
            progress: self.progress.clone(),
            output_limit: self.output_limit,
            output_dir: self.output_dir.clone(),
        }
    }
}

/// What a call came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// What the model is told.
    pub result: String,
    pub content: Vec<ContentBlock>,
    pub diffs: Vec<FileDiff>,
    pub locations: Vec<Location>,
    pub exit_code: Option<i32>,
    pub truncated: bool,
    pub output_file: Option<PathBuf>,
    /// The agent's whole plan, where the call changed it.
    pub plan: Option<Vec<PlanEntry>>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ToolError {
    /// In words the model can act on.
    #[error("{0}")]
    Failed(String),
    /// `CallContext::cancel` was cancelled; `output` is what there was by then.
    #[error("stopped")]
    Stopped { output: String },
    /// A time limit that the call itself asked for.
    #[error("timed out after {after_ms} ms")]
    TimedOut { after_ms: u64, output: String },
}

impl ToolError {
    /// Stopped before there was any output.
    #[must_use]
    pub fn stopped() -> Self {
        Self::Stopped { output: String::new() }
    }
}
