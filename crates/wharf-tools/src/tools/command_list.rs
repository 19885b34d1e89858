//! `command_list`: the background commands of the session.

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, CommandStatus, ToolKind};

use super::bash::{ending, unavailable};
use super::typed::{About, TypedTool};
use crate::CallContext;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {}

pub(super) struct CommandListTool;

impl TypedTool for CommandListTool {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "command_list",
            description: "List the background commands of this session: those that run, and the last ones that have ended.",
            category: "shell",
            kind: ToolKind::Read,
            read_only: true,
            subject: None,
            timeout_ms: 10_000,
        }
    }

    async fn run(&self, Arguments {}: Arguments, context: CallContext) -> CallOutcome {
        let commands = context.commands.as_deref().ok_or_else(unavailable)?;
        let list = context.unless_cancelled(commands.list()).await??;
        let lines: Vec<String> = list
            .commands
            .iter()
            .map(|command| {
                let how = match command.status {
                    CommandStatus::Running => "running".to_owned(),
                    _ => ending(command),
                };
                format!("{} [{how}] {}", command.command_id, command.command.replace('\n', "\\n"))
            })
            .collect();
        let result = if lines.is_empty() { "There are no background commands.".to_owned() } else { lines.join("\n") };
        Ok(crate::output::bounded(result, &context).await)
    }
}
