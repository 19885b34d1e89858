//! The background commands of a session as its tools reach them: through the same door as everybody.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_protocol::command::{CommandInput, CommandList, CommandOutput, CommandOutputQuery};
use wharf_protocol::{CallId, Command, CommandId, SessionId};
use wharf_tools::ToolError;
use wharf_tools::commands::{Commands, Launch};

use crate::EngineError;
use crate::live::{Request, Shared};

/// Who stands on the log where the agent stops a command.
const AGENT: &str = "agent";

pub(crate) struct SessionCommands {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: SessionId,
}

#[async_trait]
impl Commands for SessionCommands {
    async fn start(&self, call: &CallId, launch: Launch) -> Result<CommandId, ToolError> {
        let (call_id, launch) = (call.clone(), Box::new(launch));
        let started = self.shared.ask(&self.session, |reply| Request::StartCommand { call_id, launch, reply });
        started.await.map_err(told)
    }

    async fn list(&self) -> Result<CommandList, ToolError> {
        self.shared.commands_of(&self.session).await.map_err(told)
    }

    async fn get(&self, id: &CommandId) -> Result<Command, ToolError> {
        self.shared.command(&self.session, id).await.map_err(told)
    }

    async fn output(&self, id: &CommandId, query: CommandOutputQuery) -> Result<CommandOutput, ToolError> {
        self.shared.command_output(&self.session, id, query).await.map_err(told)
    }

    async fn input(&self, id: &CommandId, content: String, close: bool) -> Result<(), ToolError> {
        self.shared.command_input(&self.session, id, CommandInput { content, close }).await.map_err(told)
    }

    async fn stop(&self, id: &CommandId) -> Result<(), ToolError> {
        self.shared.stop_command(&self.session, id, Some(AGENT.to_owned())).await.map_err(told)
    }
}

fn told(error: EngineError) -> ToolError {
    ToolError::Failed(error.to_api().error)
}
