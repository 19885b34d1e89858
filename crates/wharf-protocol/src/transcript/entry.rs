//! The entries of a transcript.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clip::is_zero;
use super::{Excerpt, Notice};
use crate::event::Decision;
use crate::permission::{PlannedCommand, Resolution};
use crate::tool::{Location, PlanEntry};
use crate::{
    CallId, CommandId, CommandStatus, Cost, ErrorCode, MessageId, PermissionId, PermissionOption, Seq, StopReason,
    Timestamp, ToolKind, TurnId, Usage,
};

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The event that it began with; of a text that is whole, the one that made it so.
    pub seq: Seq,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// More may come of it; else it stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    #[serde(flatten)]
    pub body: EntryBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryBody {
    Prompt(PromptEntry),
    Reasoning(ReasoningEntry),
    Message(MessageEntry),
    Call(Box<CallEntry>),
    Question(Box<QuestionEntry>),
    Command(Box<CommandEntry>),
    Plan(PlanChange),
    Notice(Notice),
    Turn(Box<TurnEntry>),
    /// An entry of a newer version.
    #[serde(other)]
    Unknown,
}

impl Entry {
    #[must_use]
    pub fn as_call(&self) -> Option<&CallEntry> {
        match &self.body {
            EntryBody::Call(call) => Some(call),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_question(&self) -> Option<&QuestionEntry> {
        match &self.body {
            EntryBody::Question(question) => Some(question),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_command(&self) -> Option<&CommandEntry> {
        match &self.body {
            EntryBody::Command(command) => Some(command),
            _ => None,
        }
    }
}

/// What somebody asked for, where it begins to be worked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptEntry {
    pub message_id: MessageId,
    /// It joined a turn that was running already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub text: Excerpt,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The event that accepted it: its whole content is there. Absent where it came before this state began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_seq: Option<Seq>,
}

/// What stands beside text, without its data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// As of the content block: `image`, `audio`, `resource_link`, `resource`.
    pub r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Of its content, decoded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
}

/// What the model thought before it said something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReasoningEntry {
    /// The message that it came before.
    pub message_id: MessageId,
    pub text: Excerpt,
}

/// What the agent said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageEntry {
    pub message_id: MessageId,
    pub state: MessageState,
    pub text: Excerpt,
    /// With `failed`: why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    Growing,
    Complete,
    /// It ends where its turn was cancelled.
    Cancelled,
    /// It ends where its server stopped; the model was asked again, or the turn has ended.
    Interrupted,
    /// It ends where the model's server failed.
    Failed,
    /// The log says nothing of its end.
    Lost,
}

/// A tool call, from the model's request to its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallEntry {
    pub call_id: CallId,
    pub tool_name: String,
    pub state: CallState,
    /// One line for people, once it has begun.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_kind: Option<ToolKind>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// They are so many bytes of JSON, and not here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub arguments_omitted: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Why it ran, or did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// 2 where it ran once more after its server had stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The background command that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// What it has put out so far; once it has completed, that is in `result`.
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub output: Excerpt,
    /// The result.
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub result: Excerpt,
    /// Of the whole result.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub result_lines: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub error: Excerpt,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<DiffEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What the model was told is not all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// The model asked for it; it has not begun.
    Proposed,
    /// Somebody has to answer first.
    Asked,
    Running,
    Completed,
    Failed,
    Denied,
    Cancelled,
    TimedOut,
    /// The server stopped while it ran: it may have had an effect.
    Interrupted,
    /// The log says nothing of its outcome.
    Lost,
}

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffEntry {
    pub path: String,
    /// Lines.
    pub added: u64,
    pub removed: u64,
    /// As a unified diff.
    pub patch: Excerpt,
}

/// A question whether a call may run, and its answer. What is to be judged is here as long as there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionEntry {
    pub permission_id: PermissionId,
    pub call_id: CallId,
    pub tool_name: String,
    pub question: Excerpt,
    /// Why it is asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Of a shell command: what it would run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<PlannedCommand>,
    /// Why it is not known what it would run, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_understood: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<PermissionOption>,
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_outside: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<DiffEntry>,
    /// So many diffs are cut or left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// What the call would fail with at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Resolution>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The answer holds for the rest of the session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remembered: bool,
    /// What the model was told with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A background command. Its output is read from the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandEntry {
    pub command_id: CommandId,
    /// The call that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub command: Excerpt,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    pub status: CommandStatus,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_input: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// The plan is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChange {
    pub total: u64,
    pub completed: u64,
    /// The first step that is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Steps that are new or in another state than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<PlanEntry>,
}

/// A turn's end, and what the turn was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnEntry {
    pub outcome: TurnOutcome,
    pub stop_reason: StopReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TurnError>,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The prompt that it answered. This, the model and the agent are absent where the turn began before this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    pub usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// From its first event to its last, time in which no server ran included.
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    Completed,
    Cancelled,
    Failed,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnError {
    pub code: ErrorCode,
    /// In words.
    pub error: String,
    pub retryable: bool,
}
