//! `think`: room for the model to put a thought down; nothing happens.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::{CallOutcome, ToolKind, ToolOutput, ToolSpec};

use super::About;
use crate::{CallContext, Tool};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The thought.
    #[serde(alias = "thoughts", alias = "text", alias = "content", alias = "reasoning")]
    thought: String,
}

pub(super) struct Think {
    spec: Arc<ToolSpec>,
}

impl Think {
    pub(super) fn new() -> Self {
        let about = About {
            name: "think",
            description: "Write down a thought. Nothing is looked up or changed.",
            category: "planning",
            kind: ToolKind::Think,
            read_only: true,
            subject: None,
            timeout_ms: 1_000,
        };
        Self { spec: about.with_arguments::<Arguments>() }
    }
}

#[async_trait]
impl Tool for Think {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn run(&self, arguments: Value, _: CallContext) -> CallOutcome {
        let Arguments { thought } = crate::arguments::parse(&self.spec, arguments)?;
        let result = if thought.trim().is_empty() { "The thought was empty." } else { "Noted." };
        Ok(ToolOutput::text(result))
    }
}
