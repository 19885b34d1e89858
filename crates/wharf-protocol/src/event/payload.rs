//! What each type of event carries.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::permission::{DecidingRule, Grant, Permission, Preview, Resolution};
use crate::prompt::PromptContent;
use crate::tool::{FileDiff, Location, PlanEntry};
use crate::{
    ApiError, CallCost, CallId, Command, CommandId, CommandStatus, ConflictStrategy, ContentBlock, Cost, ForkedFrom,
    MessageId, Mode, PermissionId, PermissionOption, Priority, RecoveryPolicy, Role, SealReason, Seq, SessionStatus,
    StopReason, TerminalSize, Thinking, Timestamp, ToolKind, ToolLocation, ToolRequest, TurnId, UnseenImages, Usage,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCreated {
    pub cwd: PathBuf,
    /// Directories that the tools reach beside `cwd`: absolute, real paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_directories: Vec<PathBuf>,
    pub agent_name: String,
    pub model: String,
    pub mode: Mode,
    /// Absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_location: Option<ToolLocation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "RecoveryPolicy::is_server")]
    pub recovery: RecoveryPolicy,
    /// With a fork: what was copied. The events that follow up to there are copies, with seqs of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}

/// Only what changed is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionUpdated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_location: Option<ToolLocation>,
    /// All of them as they are from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_directories: Option<Vec<PathBuf>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPolicy>,
    /// Why the server changed it by itself: the model before failed again and again, and this one is its fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionDeleted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCleared {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Answers that still hold: the events that gave them may be dropped from the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Commands that go on, and those whose output can still be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStatusChanged {
    pub status: SessionStatus,
    pub previous: SessionStatus,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRecovered {
    /// In words: what was found.
    pub reason: String,
    /// Set when numbers were left out: the last seq that is on disk. Later ones, up to this event's own, may have been shown
    /// before a power cut (or before the store's log was deleted) and are not used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq_on_disk: Option<Seq>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSealed {
    pub reason: SealReason,
    /// In words: what was found.
    pub message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionUnsealed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A prompt was accepted: it is on disk and will reach exactly one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptReceived {
    pub message_id: MessageId,
    pub content: PromptContent,
    pub priority: Priority,
    pub conflict_strategy: ConflictStrategy,
    /// Who asked, by the name of the key or client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// SHA-256 of the request's meaning, in hexadecimal: tells a repeated request from another one with the same id.
    pub body_hash: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptQueued {
    pub message_id: MessageId,
    /// 1 is next.
    pub position: usize,
    pub priority: Priority,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptStarted {
    pub message_id: MessageId,
    /// It joined a turn that was running already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
}

/// A prompt was refused; it was never accepted and has no turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptRejected {
    pub message_id: MessageId,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
}

/// A queued prompt was taken out of the queue; its turn ended as `withdrawn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptWithdrawn {
    pub message_id: MessageId,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnStarted {
    pub message_id: MessageId,
    pub model: String,
    pub agent_name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnCancelRequested {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub force: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnResumed {
    pub reason: String,
    /// 1 for the first time this turn is taken up again.
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnCompleted {
    pub stop_reason: StopReason,
    /// The agent's last message of the turn.
    pub response: String,
    pub usage: Usage,
    /// What its model calls have cost; absent in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnCancelled {
    pub stop_reason: StopReason,
    /// What the agent had said by then.
    pub response: String,
    pub usage: Usage,
    /// What its model calls have cost; absent in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnFailed {
    pub stop_reason: StopReason,
    pub error: ApiError,
    /// What the agent had said by then.
    pub response: String,
    pub usage: Usage,
    /// What its model calls have cost; absent in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageStart {
    pub message_id: MessageId,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageChunk {
    pub message_id: MessageId,
    pub role: Role,
    /// Where `content` starts in the message's text, in bytes of UTF-8.
    pub offset: u64,
    pub content: String,
    /// Always false; `message.complete` is the end.
    pub done: bool,
}

/// The whole message; its `content` equals its chunks put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageComplete {
    pub message_id: MessageId,
    pub role: Role,
    pub content: String,
    /// Always true.
    pub done: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolRequest>,
    pub stop_reason: StopReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    pub model: String,
    /// What the provider wants back with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<Value>,
    /// Images that the model was not shown when it was asked for this, where that is news.
    #[serde(default, skip_serializing_if = "UnseenImages::is_none")]
    pub unseen: UnseenImages,
}

/// The message ends here, unfinished; `content` is all there is of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageError {
    pub message_id: MessageId,
    pub role: Role,
    pub content: String,
    /// Always true.
    pub done: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// `cancelled`, `interrupted`, or the provider's error in words.
    pub error: String,
    /// The model had finished, and its reply could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<ReplyDefect>,
}

/// What is wrong with a reply that neither says nor does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyDefect {
    Empty,
    /// Reasoning, and no answer after it.
    ReasoningOnly,
    /// It announced a tool call and held none.
    NoCall,
    /// A tool call stands in it as text.
    LeakedMarkup,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentThinking {
    pub message_id: MessageId,
    /// Where `content` starts in the message's reasoning, in bytes of UTF-8.
    pub offset: u64,
    pub content: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentIdle {}

/// Why a call may run, or may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    pub allowed: bool,
    /// In words: "mode full", "rule deny bash `rm *`", "allow_once by laptop".
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_id: Option<PermissionId>,
}

/// A call begins: from here on it may have had an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallStart {
    pub call_id: CallId,
    pub tool_name: String,
    pub arguments: Value,
    pub kind: ToolKind,
    /// One line for people: `read src/main.rs`, `cargo test`.
    pub title: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    pub read_only: bool,
    pub decision: Decision,
}

/// A read-only call that was running when the server died begins once more, alone. There is no third time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallResumed {
    pub call_id: CallId,
    pub tool_name: String,
    /// 2.
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallProgress {
    pub call_id: CallId,
    /// Where `content` starts in the call's output, in bytes of UTF-8.
    pub offset: u64,
    pub content: String,
    /// So many bytes right before `offset` are not on the log: the call puts out more than is kept there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

impl ToolCallProgress {
    /// The piece for a reader, with a line where something is left out before it.
    #[must_use]
    pub fn text(&self) -> String {
        match self.omitted {
            0 => self.content.clone(),
            omitted => format!("\n[{omitted} bytes left out]\n{}", self.content),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallComplete {
    pub call_id: CallId,
    pub tool_name: String,
    /// What the model is told. Bounded; `truncated` says that something was left out.
    pub result: String,
    /// Images and the like, beside the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ContentBlock>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<FileDiff>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Set by tools that run a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The whole output, where it was too long for `result`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_file: Option<PathBuf>,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorReason {
    Failed,
    Denied,
    Cancelled,
    TimedOut,
    /// The server stopped while the call ran. It may have had an effect; it is not run again.
    Interrupted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallError {
    pub call_id: CallId,
    pub tool_name: String,
    /// What the model is told.
    pub error: String,
    pub reason: CallErrorReason,
    /// What the call had put out by then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// With `denied`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandStarted {
    pub command_id: CommandId,
    /// The tool call that starts it.
    pub call_id: CallId,
    /// The command line.
    pub command: String,
    /// Absolute.
    pub directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Its input stays open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_input: bool,
    /// Longest run.
    pub timeout_ms: u64,
    /// So much of its output is kept: the newest bytes.
    pub output_max_bytes: u64,
}

/// The one end of a background command; nothing that it had started lives any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandEnded {
    pub command_id: CommandId,
    /// Never `running`.
    pub status: CommandStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// In words, where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub duration_ms: u64,
    /// All that it has put out, kept or not.
    pub output_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionRequested {
    pub permission_id: PermissionId,
    pub call_id: CallId,
    pub tool_name: String,
    pub arguments: Value,
    pub cwd: PathBuf,
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
    /// Of a tool that an MCP server or a client describes: a hash of its name, description and schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    pub options: Vec<PermissionOption>,
    pub expires_at: Timestamp,
}

impl From<&Permission> for PermissionRequested {
    /// The event that it was asked with.
    fn from(permission: &Permission) -> Self {
        let permission = permission.clone();
        Self {
            permission_id: permission.permission_id,
            call_id: permission.call_id,
            tool_name: permission.tool_name,
            arguments: permission.arguments,
            cwd: permission.cwd,
            question: permission.question,
            why: permission.why,
            rule: permission.rule,
            preview: permission.preview,
            definition: permission.definition,
            options: permission.options,
            expires_at: permission.expires_at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionResolved {
    pub permission_id: PermissionId,
    pub call_id: CallId,
    pub option: Resolution,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The answer holds for the rest of the session.
    pub remembered: bool,
    /// What the one who answered wants the model to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The whole plan, each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanUpdated {
    pub entries: Vec<PlanEntry>,
}

/// After each model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageUpdated {
    /// This turn so far.
    pub turn: Usage,
    /// This session so far.
    pub session: Usage,
    /// What the last request filled of the model's context, in tokens.
    pub context_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_limit: Option<u64>,
    /// The call alone; absent where its provider does not count, and in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Usage>,
    /// Which model was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Absent in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<UsageCost>,
}

/// What model calls have cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageCost {
    /// The call alone; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallCost>,
    /// This turn so far.
    pub turn: Cost,
    /// This session so far.
    pub session: Cost,
}

/// The model is asked to sum up what stands before a message, so that the summary can take its place. Nothing is left out yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextCompacting {
    #[serde(default)]
    pub reason: CompactReason,
    /// What stands before this message is summed up.
    pub kept_from: MessageId,
    /// Of what is summed up; an estimate.
    #[serde(default)]
    pub tokens: u64,
    /// What the summary is to keep above all, in the words of whoever asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// 2 where a server that stopped in the middle of it had begun before.
    pub attempt: u32,
    /// The window of the session's model, in tokens, as its server named it when it refused a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_limit: Option<u64>,
    /// What that server counted of the request that it refused, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_tokens: Option<u64>,
    /// That model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What the model is told of its workspace beside what was said: facts, and instruction files that it was not shown yet or that have
/// changed. As the model is shown it, it is a part of another message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextNoted {
    /// The prompt or the result that it is a part of.
    pub message_id: MessageId,
    /// What the model is shown, to the byte.
    pub text: String,
    /// The facts in it; absent where the model was told the same before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<String>,
    /// The files in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<NotedFile>,
}

/// An instruction file as the model is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotedFile {
    /// Absolute.
    pub path: String,
    pub origin: InstructionOrigin,
    pub change: FileChange,
    /// Of the file.
    #[serde(default)]
    pub bytes: u64,
    /// So many of them the model is not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_bytes: u64,
    /// Of what the model is shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// Whose words an instruction file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstructionOrigin {
    /// The user's own, from the directory of the configuration.
    User,
    /// Of the workspace: whoever writes there.
    Workspace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// The model is not shown it yet, or not any more.
    New,
    Changed,
    /// It is not there any more.
    Gone,
}

/// No summary came of it, and nothing is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextCompactionFailed {
    pub error: String,
}

/// The next model call would not have fitted, or did not: from here on a part of the conversation is left out of what the model
/// is shown. The log keeps everything. What is left out follows from this event and those before it alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextCompacted {
    /// Of the whole request, in tokens; estimates.
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// Calls up to and including the event with this seq are shown to the model without their output.
    pub trimmed_through: Seq,
    /// Images of the messages before this one are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_before: Option<MessageId>,
    #[serde(default)]
    pub reason: CompactReason,
    /// Of the conversation.
    #[serde(default)]
    pub bytes_before: u64,
    #[serde(default)]
    pub bytes_after: u64,
    #[serde(default)]
    pub left_out: LeftOut,
    /// What stands before this message is left out, but for the newest prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<MessageId>,
    /// Of each longer result only so many bytes are shown, of its head and its tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_max_bytes: Option<u64>,
    /// The same for every message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_max_bytes: Option<u64>,
    /// The window of the session's model, in tokens, as its server named it when it refused the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_limit: Option<u64>,
    /// What that server counted of the request that it refused, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_tokens: Option<u64>,
    /// That model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's own summary of what stands before `kept_from`: it is shown in its place, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Why there is no summary, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_error: Option<String>,
}

impl ContextCompacted {
    /// One line for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let LeftOut { results, messages, shortened, images } = self.left_out;
        let counts = [
            (images, "older image", "left out"),
            (results, "tool result", "replaced by a note"),
            (messages, "older message", if self.summary.is_some() { "summed up" } else { "left out" }),
            (shortened, "message or result", "shortened to head and tail"),
        ];
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, what, how)| format!("{count} {what}{} {how}", if count == 1 { "" } else { "s" }))
            .collect();
        let what = if parts.is_empty() { "older tool output left out".to_owned() } else { parts.join(", ") };
        let why = match self.reason {
            CompactReason::Window => "to fit the model's window",
            CompactReason::Overflow => "because the model refused the request as too long",
            CompactReason::Asked => "as asked",
        };
        let failed = self.summary_error.as_ref().map(|error| format!(" (no summary: {error})")).unwrap_or_default();
        format!(
            "{what} {why}{failed} (about {} tokens before, {} after); the log keeps everything",
            self.tokens_before, self.tokens_after
        )
    }
}

/// Why a part of the conversation is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompactReason {
    /// The request would have come near the model's window.
    #[default]
    Window,
    /// The model refused the request as too long.
    Overflow,
    /// Somebody asked for it.
    Asked,
}

/// What is not shown any more, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Results of which a note is left.
    pub results: u64,
    /// Messages that are gone, with the results of their calls.
    pub messages: u64,
    /// Messages and results of which head and tail are left.
    pub shortened: u64,
    /// Images of which a note is left.
    #[serde(default, skip_serializing_if = "crate::content::is_zero")]
    pub images: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelRetrying {
    /// 1 for the first repetition.
    pub attempt: u32,
    /// Repetitions, without the first attempt.
    pub max_attempts: u32,
    pub delay_ms: u64,
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
}
