//! Background commands: programs of a session that outlive the tool call that started them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CallId, CommandId, SessionId, Timestamp};

/// A command that runs beside the turns of its session, or has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    pub command_id: CommandId,
    /// The command line.
    pub command: String,
    /// Where it was started; absolute.
    pub directory: String,
    pub status: CommandStatus,
    /// The tool call that started it.
    pub call_id: CallId,
    /// The terminal's size when it was started; absent for a command without a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Its input is open: what clients send is read by it. Always so with a terminal.
    pub takes_input: bool,
    pub started_at: Timestamp,
    /// Longest run; then it is stopped.
    pub timeout_ms: u64,
    /// So much of its output is kept: the newest bytes.
    pub output_max_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// As a shell reports it: 128 and the signal's number for a command that a signal ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// In words, where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How long it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// All that it has put out, kept or not; once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandStatus {
    Running,
    /// By itself, or by a signal from elsewhere.
    Exited,
    /// Somebody asked for it.
    Stopped,
    /// It ran into its time limit.
    TimedOut,
    /// Its server stopped or died, and it with it.
    Interrupted,
    /// It could not be started, or what watched over it was killed.
    Failed,
}

impl CommandStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Stopped => "stopped",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// How a command ended, in a few words for people.
    #[must_use]
    pub fn end_in_words(self, exit_code: Option<i32>) -> String {
        match (self, exit_code) {
            (Self::Exited, Some(code)) => format!("exit code {code}"),
            (status, _) => status.word().to_owned(),
        }
    }
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    #[schemars(range(min = 1, max = 1000))]
    pub columns: u16,
    #[schemars(range(min = 1, max = 1000))]
    pub rows: u16,
}

impl TerminalSize {
    /// Largest number of columns, and of rows.
    pub const MOST: u16 = 1_000;

    #[must_use]
    pub fn is_valid(self) -> bool {
        (1..=Self::MOST).contains(&self.columns) && (1..=Self::MOST).contains(&self.rows)
    }
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// The commands of a session, newest first: those that run, and the last ones that have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandList {
    pub session_id: SessionId,
    pub commands: Vec<Command>,
    /// Most commands of a session that may run at a time.
    pub limit: usize,
}

/// Which part of a command's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandOutputQuery {
    /// In bytes, from the start of all output. Absent: so that the newest `limit` bytes are answered. Bytes that are not kept
    /// any more are left out: `offset` of the answer says where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Most bytes: 1 to 1,048,576; 65,536 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How long to wait for output after `offset`, or for the command's end, where there is nothing yet: 0 to 60,000; 0
    /// where absent. In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A piece of a command's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandOutput {
    pub command_id: CommandId,
    pub status: CommandStatus,
    /// Of the first byte of `content`.
    pub offset: u64,
    /// Where the next piece begins. A character is never cut.
    pub next_offset: u64,
    /// Bytes before this one are not kept any more.
    pub first_offset: u64,
    /// All that the command has put out so far, in bytes.
    pub total_bytes: u64,
    /// Something between the asked `offset` and `offset` is missing.
    pub truncated: bool,
    /// Bytes that are no UTF-8 show as U+FFFD.
    pub content: String,
}

/// Bytes for a command's input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandInput {
    #[serde(default)]
    pub content: String,
    /// Nothing follows: the input is closed, in a terminal with the character for it (4).
    #[serde(default)]
    pub close: bool,
}

/// Input was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandInputTaken {
    /// `written`
    pub status: String,
    pub command_id: CommandId,
    pub bytes: usize,
}

/// A terminal has another size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandResized {
    /// `resized`
    pub status: String,
    pub command_id: CommandId,
    pub terminal: TerminalSize,
}

/// Nothing but the wish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopCommand {}
