//! What goes in: what happened, and what somebody wants.

use std::sync::Arc;

use serde_json::Value;
use wharf_protocol::event::InstructionOrigin;
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{
    CallId, CallOutcome, CommandEnd, CommandId, ConflictStrategy, MessageId, PermissionId, PermissionOption, Priority,
    PromptContent, Seen, Seq, TerminalSize, ToolSpec, TurnId,
};

use crate::config::CoreConfig;

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
    /// Ends what runs, then the session ([`Effect::Delete`](crate::Effect::Delete)). Nothing new is taken from here on.
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
    /// [`Core::agent_name`](crate::Core::agent_name) is another agent than the core knew, or has other things: these.
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
    /// What the session's model takes, in tokens; `None`: that is not known before it is asked. A request `ask` is not sent before this
    /// was handled.
    WindowKnown {
        tokens: Option<u64>,
        ask: Option<u64>,
    },
    /// What the session's instructions take of each request, in bytes.
    InstructionsChanged {
        bytes: usize,
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
    /// What came of the wish for a title; nothing where none came. `reply`: the model's, and its id.
    TitleWritten {
        ask: u64,
        text: String,
        reply: Option<(String, ModelReply)>,
    },
    SummaryFailed {
        ask: u64,
        error: ModelError,
        again: Again,
    },
    /// What a call would touch, as [`Effect::LookAtCall`](crate::Effect::LookAtCall) asked.
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
    /// The time of [`Core::next_deadline`](crate::Core::next_deadline) has come.
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
    /// What the store knows of an older prompt with this id, where [`Core::knows_prompt`](crate::Core::knows_prompt) did not know it.
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

/// What the engine sees of a session's workspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Absent: the model is told no facts.
    pub facts: Option<Facts>,
    /// The user's own, then from the top of the repository down to where the session works, then those below, each before those below it.
    pub files: Vec<InstructionFile>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Branch and status, in words; absent where they are not known.
    pub git: Option<String>,
}

/// An instruction file, as far as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct InstructionFile {
    /// Absolute.
    pub path: String,
    pub origin: InstructionOrigin,
    /// It lies below where the session works.
    pub is_below: bool,
    pub text: Arc<str>,
    /// Of the text.
    pub digest: Arc<str>,
    /// Of the file.
    pub bytes: u64,
    /// So many of them were not read.
    pub left_out_bytes: u64,
}

/// What decides on another attempt of a model call, beside its error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Again {
    /// A random number that spreads attempts which would come together.
    pub jitter: u16,
    /// How often such a call is tried, where its model has a number of its own.
    pub attempts: Option<u32>,
}
