//! Named profiles: instructions, model, tools, permission mode.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mode;

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    pub name: String,
    pub description: String,
    /// The instructions that every model call starts with.
    pub instructions: String,
    /// `provider/name`; absent: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Names of the tools it has.
    pub tools: Vec<String>,
    /// What a new session starts with; absent: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Most model calls in one turn.
    pub max_steps: u32,
}
