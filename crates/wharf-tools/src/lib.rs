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
pub mod remote;
mod seen;
pub mod surroundings;
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
use wharf_protocol::{CallId, CallOutcome, Seen, SessionId, ToolError, ToolSpec};

pub use client::{
    ClientHost, ClientTool, Clients, HostError, Offers, Terminal, TerminalCommand, TerminalExit, TerminalOutput,
};
pub use guard::{FileRules, Guard};
pub use question::{Field, FieldKind, Question, Reply};
pub use toolbox::Toolbox;
pub use tools::ToolsConfig;
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
    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome;
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
    /// Most bytes of its result; the rest goes into a file under `output_dir`.
    pub output_limit: usize,
    /// Ours, outside the workspace; made when first needed.
    pub output_dir: PathBuf,
    /// The background commands of the session; `None`: this program runs none.
    pub commands: Option<Arc<dyn commands::Commands>>,
    /// The call's limit, in milliseconds. The engine enforces it by `cancel`; tools may take less.
    pub timeout_ms: u64,
}

impl CallContext {
    /// What comes of `work`, unless the call is cancelled before; then the work is dropped. A cancelled call begins none.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, ToolError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(ToolError::stopped()),
            done = work => Ok(done),
        }
    }

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
