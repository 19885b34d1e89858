//! `command_stop`: the end of a background command.

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::command::CommandOutputQuery;
use wharf_protocol::{CallOutcome, CommandId, CommandStatus, ToolError, ToolKind, ToolOutput};

use super::bash::{ending, unavailable};
use super::typed::{About, TypedTool};
use crate::CallContext;

/// A command gets 2 s to end by itself before it is killed.
const WAIT_MS: u64 = 5_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Which command.
    #[serde(alias = "id")]
    command_id: CommandId,
}

pub(super) struct CommandStopTool;

impl TypedTool for CommandStopTool {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "command_stop",
            description: "Stop a background command, with everything that it has started.",
            category: "shell",
            kind: ToolKind::Other,
            read_only: false,
            subject: None,
            timeout_ms: 2 * WAIT_MS,
        }
    }

    async fn run(&self, Arguments { command_id }: Arguments, context: CallContext) -> CallOutcome {
        context.unless_cancelled(stop(&command_id, &context)).await?
    }
}

async fn stop(id: &CommandId, context: &CallContext) -> CallOutcome {
    let commands = context.commands.as_deref().ok_or_else(unavailable)?;
    commands.stop(id).await?;
    let mut offset = 0;
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(WAIT_MS);
    loop {
        let query = CommandOutputQuery { offset: Some(offset), limit: Some(1), wait_ms: Some(WAIT_MS) };
        let Ok(piece) = tokio::time::timeout_at(until, commands.output(id, query)).await else {
            return Err(ToolError::Failed(format!("{id} is being stopped and has not ended yet")));
        };
        let piece = piece?;
        if piece.status != CommandStatus::Running {
            let command = commands.get(id).await?;
            let result = format!("{id}: {}", ending(&command));
            return Ok(ToolOutput::text(result));
        }
        offset = piece.total_bytes;
    }
}
