//! What comes out: events for the log, effects to carry out after them, and what the one who asked is told.

use std::sync::Arc;

use serde_json::Value;
use wharf_protocol::permission::Resolution;
use wharf_protocol::{CallId, CommandId, Event, Message, MessageId, PermissionId, Seq, TurnId};

use crate::seen::Bound;

/// What came of an input: first append `events`, then carry out `effects`, then tell whoever asked.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub answer: Result<Answer, Rejected>,
}

/// What to do, after the events are on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the model; answer with `Model*` inputs that carry `ask`.
    CallModel { ask: u64, turn_id: TurnId, messages: Vec<Arc<Message>> },
    /// Ask the model for a summary; answer with one `SummaryWritten` or `SummaryFailed`. Nobody is shown it while it is written. With
    /// `is_quoted` without instructions and tools, else with both, as in `CallModel`.
    AskSummary { ask: u64, turn_id: Option<TurnId>, messages: Vec<Arc<Message>>, is_quoted: bool },
    /// Ask the small model for a title; answer with one `TitleWritten`. Nothing waits for it.
    AskTitle { ask: u64, message: Arc<Message> },
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
