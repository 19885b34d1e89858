//! `command_list`: the background commands of the session.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{CallOutcome, CommandStatus, ToolError, ToolKind, ToolSpec};

use super::About;
use super::bash::{ending, unavailable};
use crate::{CallContext, Tool};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

pub(super) struct CommandList {
    spec: Arc<ToolSpec>,
}

impl CommandList {
    pub(super) fn new() -> Self {
        let about = About {
            name: "command_list",
            description: "List the background commands of this session: those that run, and the last ones that have ended.",
            category: "shell",
            kind: ToolKind::Read,
            read_only: true,
            subject: None,
            timeout_ms: 10_000,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for CommandList {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        let Arguments {} = crate::arguments::parse(&self.spec, arguments)?;
        let commands = context.commands.as_deref().ok_or_else(unavailable)?;
        let list = tokio::select! {
            list = commands.list() => list?,
            () = context.cancel.cancelled() => return Err(ToolError::stopped()),
        };
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
