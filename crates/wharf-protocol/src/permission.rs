//! A question whether a tool call may run, and its one answer.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tool::FileDiff;
use crate::{CallId, PermissionId, Rule, RuleAction, SessionId, Timestamp, TurnId};

/// What can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionOption {
    AllowOnce,
    /// Also allows the same tool with the same arguments for the rest of the session.
    AllowAlways,
    RejectOnce,
    /// Also refuses the same tool with the same arguments for the rest of the session.
    RejectAlways,
}

impl PermissionOption {
    pub const ALL: [PermissionOption; 4] = [Self::AllowOnce, Self::AllowAlways, Self::RejectOnce, Self::RejectAlways];

    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::AllowOnce | Self::AllowAlways)
    }

    #[must_use]
    pub fn is_remembered(self) -> bool {
        matches!(self, Self::AllowAlways | Self::RejectAlways)
    }
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    AllowOnce,
    AllowAlways,
    RejectOnce,
    RejectAlways,
    /// Nobody answered in time: the call is refused.
    TimedOut,
    /// The turn was cancelled meanwhile: the call does not run.
    Cancelled,
}

impl From<PermissionOption> for Resolution {
    fn from(option: PermissionOption) -> Self {
        match option {
            PermissionOption::AllowOnce => Self::AllowOnce,
            PermissionOption::AllowAlways => Self::AllowAlways,
            PermissionOption::RejectOnce => Self::RejectOnce,
            PermissionOption::RejectAlways => Self::RejectAlways,
        }
    }
}

/// An open question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    pub permission_id: PermissionId,
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    pub call_id: CallId,
    pub tool_name: String,
    pub arguments: Value,
    /// The workspace that the call would run in.
    pub cwd: PathBuf,
    /// In words: what would run, and why it is asked.
    pub question: String,
    /// Why it is asked, in words; empty in logs of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The rule that asks; absent: the mode does, or a repetition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Box<DecidingRule>>,
    /// What it would touch and change; absent where nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Of a tool that an MCP server or a client describes: a hash of its name, description and schema. The answer holds for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    pub options: Vec<PermissionOption>,
    pub requested_at: Timestamp,
    /// Refused when nobody has answered by then.
    pub expires_at: Timestamp,
}

/// The rule that decided about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecidingRule {
    pub action: RuleAction,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl From<&Rule> for DecidingRule {
    fn from(rule: &Rule) -> Self {
        Self { action: rule.action, tool: rule.tool.clone(), pattern: rule.pattern.clone() }
    }
}

/// What an asked call would touch and change, as it was when it was asked. The approval holds for this and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// The files and directories that it would use: absolute, symbolic links followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Paths that lead out of the session's directories, as they were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_outside: Vec<String>,
    /// What would happen to each file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<FileDiff>,
    /// So many diffs are cut or left out: a preview has a largest size.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u32,
    /// Why there is no diff: what the call would fail with at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Of a shell command: what it would run, each program by itself. More than 100 are not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<PlannedCommand>,
    /// Of a shell command: why it is not known what it would run, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_understood: Option<String>,
    /// Of all that would change, also of what is cut: a call that would do something else by now does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One program or builtin that a shell command would run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedCommand {
    /// Its words, on one line; what is known only when it runs is `…`. Characters that are not seen stand as escapes.
    pub text: String,
    /// The command that starts it, by its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<u32>,
    /// Why it is asked; absent: a rule allows it, or it only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An answer that holds for the rest of the session, for exactly this call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    pub tool_name: String,
    pub arguments: Value,
    pub cwd: PathBuf,
    /// What the tool was described as, where an MCP server or a client describes it: described otherwise it is another tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Else it is refused.
    pub allowed: bool,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
