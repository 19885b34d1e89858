//! `command_stop`: the end of a background command.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::command::CommandOutputQuery;
use wharf_protocol::{CallOutcome, CommandId, CommandStatus, ToolError, ToolKind, ToolOutput, ToolSpec};

use super::About;
use super::bash::{ending, unavailable};
use crate::{CallContext, Tool};

/// A command gets 2 s to end by itself before it is killed.
const WAIT_MS: u64 = 5_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Which command.
    #[serde(alias = "id")]
    command_id: CommandId,
}

pub(super) struct CommandStop {
    spec: Arc<ToolSpec>,
}

impl CommandStop {
    pub(super) fn new() -> Self {
        let about = About {
            name: "command_stop",
            description: "Stop a background command, with everything that it has started.",
            category: "shell",
            kind: ToolKind::Other,
            read_only: false,
            subject: None,
            timeout_ms: 2 * WAIT_MS,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for CommandStop {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        let Arguments { command_id } = crate::arguments::parse(&self.spec, arguments)?;
        tokio::select! {
            ended = stop(&command_id, &context) => ended,
            () = context.cancel.cancelled() => Err(ToolError::stopped()),
        }
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
