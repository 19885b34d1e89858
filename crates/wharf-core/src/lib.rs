//! The session state machine: turns, queue, permissions, context budget. Inputs in, events and effects out.
//!
//! No IO, no clock, no randomness: time and entropy are arguments, so a test drives it with a script and simulated time.
//! State changes only by applying an event; a session rebuilt from its log is the session that wrote it.

mod calls;
mod clock;
mod commands;
mod compaction;
mod context;
mod core;
mod defect;
mod describe;
mod fit;
mod fold;
mod fork;
mod ids;
mod message;
mod model;
mod permissions;
mod policy;
mod queue;
mod recovery;
mod repeats;
mod report;
mod seen;
mod settings;
mod shorten;
mod shown;
mod summary;
mod turn;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use wharf_protocol::event::CallErrorReason;
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::permission::Resolution;
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::tool::{FileDiff, Location, PlanEntry};
use wharf_protocol::{
    CallId, CommandId, CommandStatus, ConflictStrategy, ContentBlock, Event, Message, MessageId, PermissionId,
    PermissionOption, Priority, PromptContent, Rule, Seen, Seq, TerminalSize, ToolSpec, TurnId,
};

pub use crate::core::Core;
pub use crate::fork::{Fork, Misplaced};
pub use crate::message::{message_of, told};
pub use crate::policy::PathRules;
pub use crate::seen::Bound;
pub use crate::shown::schema_tokens;

/// What permission rules match in a call's arguments: a command, paths, a pattern. Must depend on its arguments only.
#[derive(Clone)]
pub struct SubjectsOf(pub Arc<FindSubjects>);

type FindSubjects = dyn Fn(&ToolSpec, &Value) -> Vec<String> + Send + Sync;

impl PartialEq for SubjectsOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for SubjectsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectsOf")
    }
}

/// What a session is run with. Everything that may differ between servers and agents.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreConfig {
    /// The tools that the session's agent has.
    pub tools: Arc<[Arc<ToolSpec>]>,
    /// What a call is about: a tool may forgive other names of an argument, and rules have to see what it will act on.
    pub subjects: SubjectsOf,
    pub rules: Arc<[Rule]>,
    /// The engine looks at what a call would touch before it is decided ([`Effect::LookAtCall`]); else it is judged by its text.
    pub looks_at_calls: bool,
    /// Most model calls in one turn.
    pub max_steps: u32,
    /// Longest turn; waiting for a permission does not count.
    pub max_turn_ms: u64,
    /// Most tokens (prompt and completion, as the provider counts) in one turn.
    pub max_turn_tokens: Option<u64>,
    /// How often one model call is tried before the turn fails.
    pub max_model_attempts: u32,
    /// First wait before a repeated model call; doubles each time.
    pub retry_base_ms: u64,
    pub retry_max_ms: u64,
    pub queue_limit: usize,
    /// Most background commands of the session that run at a time.
    pub max_commands: usize,
    /// The same of all sessions together. The engine counts them ([`NewCommand::has_place`]).
    pub max_server_commands: usize,
    /// Longest time that a background command may take.
    pub max_command_ms: u64,
    /// So much of its output is kept.
    pub command_output_bytes: u64,
    /// How long a permission waits for its answer while somebody is attached who may answer.
    pub permission_timeout_ms: u64,
    /// The same with nobody there.
    pub unattended_permission_timeout_ms: u64,
    /// After a cancel: how long the turn waits for its calls to stop before it ends without them.
    pub stop_grace_ms: u64,
    pub recovery: Recovery,
    /// A turn that was taken up again this often is failed instead.
    pub max_resumes: u32,
    /// The other agents that a session could have, and what their tools take of each request, in tokens.
    pub other_agents: Arc<[(String, u64)]>,
}

/// What happens to a turn that a dead server left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recovery {
    #[default]
    Continue,
    Interrupt,
}

/// What decides on another attempt of a model call, beside its error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Again {
    /// A random number that spreads attempts which would come together.
    pub jitter: u16,
    /// How often such a call is tried, where its model has a number of its own.
    pub attempts: Option<u32>,
}

/// What happened, or what somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    Prompt(NewPrompt),
    Cancel {
        by: Option<String>,
        force: bool,
        clear_queue: bool,
        turn_id: Option<TurnId>,
    },
    Withdraw {
        message_id: MessageId,
        by: Option<String>,
    },
    Reprioritise {
        message_id: MessageId,
        priority: Priority,
    },
    Answer {
        permission_id: PermissionId,
        option: PermissionOption,
        by: Option<String>,
        message: Option<String>,
    },
    Update {
        change: UpdateSession,
        by: Option<String>,
    },
    Clear {
        by: Option<String>,
    },
    /// What was said is to be summed up; `focus` says what the summary is to keep above all.
    Compact {
        focus: Option<String>,
        by: Option<String>,
    },
    /// Ends what runs, then the session ([`Effect::Delete`]). Nothing new is taken from here on.
    Delete {
        by: Option<String>,
    },
    /// A call that a client asks for itself, outside any turn.
    Execute {
        tool_name: String,
        arguments: Value,
        by: Option<String>,
    },
    /// A running call wants to start a command that outlives it.
    StartCommand(NewCommand),
    /// Ends a command with all that it has started.
    StopCommand {
        command_id: CommandId,
        by: Option<String>,
    },
    /// A command has ended, and everything below it.
    CommandEnded {
        command_id: CommandId,
        end: CommandEnd,
    },
    /// What the session's agent has from here on, beside what it was configured with: servers and clients come and go. Calls that
    /// were begun go on.
    ToolsChanged(Arc<[Arc<ToolSpec>]>),
    /// [`Core::agent_name`] is another agent than the core knew, or has other things: these.
    AgentChanged {
        tools: Arc<[Arc<ToolSpec>]>,
        max_steps: u32,
    },
    /// From the next turn on the session is run with this, but for its tools; a turn that runs keeps what it began with.
    Configured(Box<CoreConfig>),
    /// How many attached clients may answer a permission.
    Answerers(usize),
    /// A piece of the reply to the model call `ask`.
    ModelText {
        ask: u64,
        text: String,
    },
    /// The window of the model that is about to be asked has become known ([`Core::set_context_limit`]); the request is not sent yet.
    WindowKnown {
        ask: u64,
    },
    ModelReasoning {
        ask: u64,
        text: String,
    },
    ModelFinished {
        ask: u64,
        reply: ModelReply,
    },
    ModelFailed {
        ask: u64,
        error: ModelError,
        again: Again,
    },
    /// What the model wrote when it was asked for a summary, whole.
    SummaryWritten {
        ask: u64,
        text: String,
        reply: ModelReply,
    },
    SummaryFailed {
        ask: u64,
        error: ModelError,
        again: Again,
    },
    /// What a call would touch, as [`Effect::LookAtCall`] asked.
    CallSeen {
        call_id: CallId,
        seen: Seen,
    },
    CallProgress {
        call_id: CallId,
        output: String,
        /// Bytes of output before it that are left out of the log.
        omitted: u64,
    },
    CallFinished {
        call_id: CallId,
        outcome: CallOutcome,
    },
    /// The time of [`Core::next_deadline`] has come.
    Tick,
    /// The server is stopping: no further turn starts here.
    Drain,
}

/// A prompt, checked and with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPrompt {
    pub message_id: MessageId,
    pub content: PromptContent,
    pub priority: Priority,
    pub conflict_strategy: ConflictStrategy,
    pub sender: Option<String>,
    pub metadata: Option<Value>,
    pub body_hash: String,
    /// What the store knows of an older prompt with this id, where [`Core::knows_prompt`] did not know it.
    pub earlier: Option<EarlierPrompt>,
}

/// A prompt that has ended so long ago that the core has forgotten it.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierPrompt {
    pub turn_id: TurnId,
    /// The first seq of its turn.
    pub seq: Seq,
    pub body_hash: String,
}

/// A command that is to outlive the call that starts it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCommand {
    pub call_id: CallId,
    pub command: String,
    /// Absolute.
    pub directory: String,
    pub terminal: Option<TerminalSize>,
    pub takes_input: bool,
    /// As it was asked for; `None`: as long as any may.
    pub timeout_ms: Option<u64>,
    /// There is room for it among the commands of all sessions.
    pub has_place: bool,
}

/// How a background command ended, as the engine saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandEnd {
    pub status: CommandStatus,
    pub exit_code: Option<i32>,
    pub error: Option<String>,
    /// Absent: since its start.
    pub duration_ms: Option<u64>,
    pub output_bytes: u64,
}

/// How a tool call ended, as the engine saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum CallOutcome {
    Completed {
        result: String,
        content: Vec<ContentBlock>,
        diffs: Vec<FileDiff>,
        locations: Vec<Location>,
        exit_code: Option<i32>,
        truncated: bool,
        output_file: Option<PathBuf>,
        plan: Option<Vec<PlanEntry>>,
    },
    /// `reason` is `failed`, `cancelled`, `timed_out` or `interrupted`.
    Error { error: String, reason: CallErrorReason, output: String },
}

/// What is known beyond the log of a call whose owner died.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCall {
    /// What it came to, where it had ended before it could be cut off.
    pub outcome: Option<CallOutcome>,
    pub output: String,
    pub duration_ms: u64,
}

/// What to do, after the events are on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the model; answer with `Model*` inputs that carry `ask`.
    CallModel { ask: u64, turn_id: TurnId, messages: Vec<Arc<Message>> },
    /// Ask the model for a summary; answer with one `SummaryWritten` or `SummaryFailed`. Nobody is shown it while it is written. With
    /// `is_quoted` without instructions and tools, else with both, as in `CallModel`.
    AskSummary { ask: u64, turn_id: Option<TurnId>, messages: Vec<Arc<Message>>, is_quoted: bool },
    /// Drop the request. Nothing of it is listened to any more.
    StopModel { ask: u64 },
    /// Look at what a call would touch, and with `preview` at what it would change; nothing of it runs. Answer with one `CallSeen`.
    LookAtCall { call_id: CallId, tool_name: String, arguments: Value, preview: bool },
    /// Run a call; answer with `CallProgress` and exactly one `CallFinished`.
    RunCall {
        call_id: CallId,
        tool_name: String,
        arguments: Value,
        timeout_ms: u64,
        /// It was running when an owner died: nothing that also was should run beside it.
        alone: bool,
        bound: Bound,
    },
    /// Stop a call, whole process tree; `CallFinished` still follows.
    StopCall { call_id: CallId },
    /// Start the command that was just asked for; answer with exactly one `CommandEnded`.
    StartCommand { command_id: CommandId, timeout_ms: u64, output_max_bytes: u64 },
    /// Stop a command, whole process tree; `CommandEnded` still follows.
    StopCommand { command_id: CommandId },
    /// The log may lose what it has up to and including `through`.
    Truncate { through: Seq },
    /// Remove the session: its end is on the log.
    Delete,
}

/// What came of an input: first append `events`, then carry out `effects`, then tell whoever asked.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub answer: Result<Answer, Rejected>,
}

/// What the one who asked is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    Prompt(Accepted),
    /// The turn that is being cancelled.
    Cancelled(Option<TurnId>),
    /// The call that was asked for; its outcome is an event.
    Call(CallId),
    /// The command that is being started.
    Command(CommandId),
    /// The model is being asked for a summary; what comes of it follows this seq.
    Compacting(Seq),
}

/// A prompt that is on the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub message_id: MessageId,
    pub turn_id: TurnId,
    /// In the queue, 1 is next; `None` once it runs.
    pub position: Option<usize>,
    /// The seq of its `prompt.received`.
    pub seq: Seq,
}

/// Why nothing came of a request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejected {
    #[error("a turn is running")]
    Busy,
    #[error("there is nothing yet that a summary could take the place of")]
    NothingToCompact,
    #[error("{limit} prompts are waiting already")]
    QueueFull { limit: usize },
    #[error("prompt id {message_id} was used for another prompt")]
    IdempotencyMismatch { message_id: MessageId },
    #[error("no prompt {message_id} is waiting")]
    UnknownPrompt { message_id: MessageId },
    #[error("no turn {turn_id} is running or waiting")]
    UnknownTurn { turn_id: TurnId },
    #[error("no permission {permission_id} is open")]
    UnknownPermission { permission_id: PermissionId },
    #[error("permission {permission_id} was answered already")]
    AlreadyResolved { permission_id: PermissionId, resolution: Resolution, by: Option<String> },
    #[error("no tool {tool_name}")]
    UnknownTool { tool_name: String },
    #[error("no command {command_id} is known")]
    UnknownCommand { command_id: CommandId },
    #[error("{limit} background commands run already")]
    TooManyCommands { limit: usize },
    #[error("the call is over or being stopped")]
    CallOver,
    #[error("the server is stopping")]
    Draining,
    #[error("the session was deleted")]
    Deleted,
}
