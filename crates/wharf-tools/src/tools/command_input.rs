//! `command_input`: text for the input of a background command.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{CallOutcome, CommandId, ToolError, ToolKind, ToolOutput, ToolSpec};

use super::About;
use super::bash::unavailable;
use crate::arguments::lenient;
use crate::{CallContext, Tool};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
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

pub(super) struct CommandInput {
    spec: Arc<ToolSpec>,
}

impl CommandInput {
    pub(super) fn new() -> Self {
        let about = About {
            name: "command_input",
            description: "Write to the input of a background command that was started with input=true or in a terminal.",
            category: "shell",
            kind: ToolKind::Execute,
            read_only: false,
            subject: Some("content"),
            timeout_ms: 10_000,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for CommandInput {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    fn subjects(&self, arguments: &Value) -> Vec<String> {
        let arguments = crate::arguments::parse::<Arguments>(&self.spec, arguments.clone());
        arguments.map(|arguments| vec![arguments.content]).unwrap_or_default()
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        let Arguments { command_id, content, close } = crate::arguments::parse(&self.spec, arguments)?;
        let commands = context.commands.as_deref().ok_or_else(unavailable)?;
        if content.is_empty() && !close {
            return Err(ToolError::Failed("there is nothing to write".into()));
        }
        let bytes = content.len();
        tokio::select! {
            taken = commands.input(&command_id, content, close) => taken?,
            () = context.cancel.cancelled() => return Err(ToolError::stopped()),
        }
        let closed = if close { ", and closed it" } else { "" };
        let result = format!("Wrote {bytes} bytes to {command_id}{closed}.");
        Ok(ToolOutput::text(result))
    }
}
