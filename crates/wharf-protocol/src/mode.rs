//! What may run without a question: permission modes and rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much the agent may do without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Reads only; everything else is refused.
    Plan,
    /// Reads run; the rest is asked of the attached clients.
    #[default]
    Ask,
    /// Reads and edits of files in the workspace run; the rest is asked.
    AutoEdit,
    /// Everything runs that no rule denies.
    Full,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Plan, Mode::Ask, Mode::AutoEdit, Mode::Full];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Plan => "plan",
            Mode::Ask => "ask",
            Mode::AutoEdit => "auto-edit",
            Mode::Full => "full",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Mode::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("unknown permission mode {text:?}: use plan, ask, auto-edit or full"))
    }
}

/// What a rule says of a call that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    Allow,
    Ask,
    Deny,
}

/// A rule by tool and pattern. Of several that match, `deny` wins over `ask` over `allow`; all win over the mode, except that
/// `plan` never runs what is not a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub action: RuleAction,
    /// A tool's name; `*` stands for any text, alone or in it (`mcp__github__*`).
    pub tool: String,
    /// Matched against the whole subject of the call (a command, a path); `*` stands for any text. Absent: every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}
