//! `think`: room for the model to put a thought down; nothing happens.

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::{CallOutcome, ToolKind, ToolOutput};

use super::typed::{About, TypedTool};
use crate::CallContext;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The thought.
    #[serde(alias = "thoughts", alias = "text", alias = "content", alias = "reasoning")]
    thought: String,
}

pub(super) struct Think;

impl TypedTool for Think {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "think",
            description: "Write down a thought. Nothing is looked up or changed.",
            category: "planning",
            kind: ToolKind::Think,
            read_only: true,
            subject: None,
            timeout_ms: 1_000,
        }
    }

    async fn run(&self, Arguments { thought }: Arguments, _: CallContext) -> CallOutcome {
        let result = if thought.trim().is_empty() { "The thought was empty." } else { "Noted." };
        Ok(ToolOutput::text(result))
    }
}
