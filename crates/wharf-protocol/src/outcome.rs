//! The outcome of a tool call or a background command, before the core makes an event of it: the one form in which tools, the
//! processes below them, the engine and the core hand it on.

use std::path::PathBuf;

use crate::tool::{FileDiff, Location, PlanEntry};
use crate::{CommandStatus, ContentBlock};

/// How a tool call ended.
pub type CallOutcome = Result<ToolOutput, ToolError>;

/// What a call has to say. Becomes [`crate::event::ToolCallComplete`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// What the model is told. Bounded; `truncated` says that something was left out.
    pub result: String,
    /// Images and the like, beside the text.
    pub content: Vec<ContentBlock>,
    pub diffs: Vec<FileDiff>,
    pub locations: Vec<Location>,
    /// Set by tools that run a command.
    pub exit_code: Option<i32>,
    pub truncated: bool,
    /// The whole output, where it was too long for `result`.
    pub output_file: Option<PathBuf>,
    /// The agent's whole plan, where the call changed it.
    pub plan: Option<Vec<PlanEntry>>,
}

impl ToolOutput {
    /// A text that is short enough, and nothing besides.
    #[must_use]
    pub fn text(result: impl Into<String>) -> Self {
        Self { result: result.into(), ..Self::default() }
    }

    /// The same with what is to be known besides, a line each.
    #[must_use]
    pub fn noted(mut self, notes: &[String]) -> Self {
        for note in notes {
            let joint = if self.result.ends_with('\n') { "" } else { "\n" };
            self.result.push_str(&format!("{joint}Note: {note}"));
        }
        self
    }
}

/// Why a call has no result. Becomes [`crate::event::ToolCallError`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ToolError {
    /// In words the model can act on.
    #[error("{0}")]
    Failed(String),
    /// Somebody wanted it to stop; `output` is what there was by then.
    #[error("stopped")]
    Stopped { output: String },
    /// The call's time limit, or a shorter one that it asked for itself.
    #[error("timed out after {after_ms} ms")]
    TimedOut { after_ms: u64, output: String },
}

impl ToolError {
    /// Stopped before there was any output.
    #[must_use]
    pub fn stopped() -> Self {
        Self::Stopped { output: String::new() }
    }
}

/// What is known beyond the log of a call whose server died.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCall {
    /// Its outcome, where it had ended before it could be cut off: by itself or at its own limit.
    pub outcome: Option<CallOutcome>,
    /// What it had put out, within the limit.
    pub output: String,
    pub duration_ms: u64,
}

/// How a background command ended. Becomes [`crate::event::CommandEnded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Never `running`.
    pub status: CommandStatus,
    pub exit_code: Option<i32>,
    /// In words, where it did not end by itself and well.
    pub error: Option<String>,
    /// Absent where nobody has measured it: since its start.
    pub duration_ms: Option<u64>,
    pub output_bytes: u64,
}

impl CommandEnd {
    /// It could not be run.
    #[must_use]
    pub fn failed(error: impl Into<String>, output_bytes: u64) -> Self {
        let error = Some(error.into());
        Self { status: CommandStatus::Failed, exit_code: None, error, duration_ms: None, output_bytes }
    }

    /// It was cut off with its server.
    #[must_use]
    pub fn interrupted(why: &str, output_bytes: u64) -> Self {
        let error = Some(why.to_owned());
        Self { status: CommandStatus::Interrupted, exit_code: None, error, duration_ms: None, output_bytes }
    }
}
