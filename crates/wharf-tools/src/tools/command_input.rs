//! `command_input`: text for the input of a background command.

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, CommandId, ToolError, ToolKind, ToolOutput};

use super::bash::unavailable;
use super::typed::{About, Subject, TypedTool};
use crate::CallContext;
use crate::arguments::lenient;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Which command.
    #[serde(alias = "id")]
    command_id: CommandId,
    /// What to write, exactly; a line ends with a newline.
    #[serde(default, alias = "input", alias = "text")]
    content: String,
    /// Close the input afterwards.
    #[serde(default, deserialize_with = "lenient::flag")]
    close: bool,
}

pub(super) struct CommandInputTool;

impl TypedTool for CommandInputTool {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "command_input",
            description: "Write to the input of a background command that was started with input=true or in a terminal.",
            category: "shell",
            kind: ToolKind::Execute,
            read_only: false,
            subject: Some(Subject { name: "content", of: |arguments| &arguments.content }),
            timeout_ms: 10_000,
        }
    }

    async fn run(&self, Arguments { command_id, content, close }: Arguments, context: CallContext) -> CallOutcome {
        let commands = context.commands.as_deref().ok_or_else(unavailable)?;
        if content.is_empty() && !close {
            return Err(ToolError::Failed("there is nothing to write".into()));
        }
        let bytes = content.len();
        context.unless_cancelled(commands.input(&command_id, content, close)).await??;
        let closed = if close { ", and closed it" } else { "" };
        let result = format!("Wrote {bytes} bytes to {command_id}{closed}.");
        Ok(ToolOutput::text(result))
    }
}
