//! Background commands, as the tools of a session see them.
//!
//! Who may start how many, and what stands on the log, is the session's to say.

use async_trait::async_trait;
use wharf_exec::commands::Launch;
use wharf_protocol::command::{CommandList, CommandOutput, CommandOutputQuery};
use wharf_protocol::{CallId, Command, CommandId, ToolError};

/// The background commands of a session, as its tools see them.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Starts a command on behalf of a call that runs; its start is on the log before it begins.
    async fn start(&self, call: &CallId, launch: Launch) -> Result<CommandId, ToolError>;

    async fn list(&self) -> Result<CommandList, ToolError>;

    async fn get(&self, id: &CommandId) -> Result<Command, ToolError>;

    /// A piece of the output; waits for it as long as the query says.
    async fn output(&self, id: &CommandId, query: CommandOutputQuery) -> Result<CommandOutput, ToolError>;

    /// Writes to its input.
    async fn input(&self, id: &CommandId, content: String, close: bool) -> Result<(), ToolError>;

    /// Has it stopped, with everything that it started; fine for one that has ended. Its end is waited for by `output`.
    async fn stop(&self, id: &CommandId) -> Result<(), ToolError>;
}
