//! What a command comes to: exit codes, and errors with what to do about them.

use std::process::ExitCode;

use wharf_client::{ClientError, Resource};

use crate::config::ConfigError;
use crate::output::note;
use crate::terminal::Style;

/// How a command ended; `wharf ask --help` documents the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Completed = 0,
    Failed = 1,
    Usage = 2,
    Cancelled = 3,
    /// It ended, but something was refused because nobody could be asked.
    Refused = 4,
    /// No server, or no way to it.
    Unreachable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error with its own exit code and advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    pub exit: Exit,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Shows an error and says how to exit.
pub fn report(error: &anyhow::Error, verbose: bool) -> Exit {
    let style = Style::for_stderr();
    let text = if verbose { format!("{error:?}") } else { chain(error) };
    note(&format!("{} {}", style.error("error:"), crate::terminal::clean(&text)));
    let (exit, hint) = advice(error);
    if let Some(hint) = hint {
        note(&format!("{} {hint}", style.dim("hint:")));
    }
    exit
}

/// The error and its causes on one line, without what a cause only repeats.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn advice(error: &anyhow::Error) -> (Exit, Option<String>) {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return (failure.exit, failure.hint.clone());
        }
        if cause.downcast_ref::<ConfigError>().is_some() {
            return (
                Exit::Usage,
                Some(
                    "`wharf config schema` describes every key, `wharf config path` says where the file is".to_owned(),
                ),
            );
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            let (exit, hint) = client_advice(error);
            return (exit, hint.map(str::to_owned));
        }
    }
    (Exit::Failed, None)
}

fn client_advice(error: &ClientError) -> (Exit, Option<&'static str>) {
    match error {
        ClientError::Connection { .. } | ClientError::Timeout { .. } => {
            (Exit::Unreachable, Some("`wharf status` shows the server of this machine, `wharf serve` starts one"))
        }
        ClientError::Unavailable { .. } => (Exit::Unreachable, Some("try again in a moment")),
        ClientError::RateLimited { .. } => {
            (Exit::Failed, Some("the server lives and has too much to do; try again in a moment"))
        }
        ClientError::Unauthorized { .. } => {
            (Exit::Failed, Some("set WHARF_KEY, or client.key_file in the configuration, to a key of that server"))
        }
        ClientError::Forbidden { .. } => (Exit::Failed, Some("the key lacks a right; use another one")),
        ClientError::NotFound { what: Resource::Session, .. } => (Exit::Failed, Some("`wharf sessions` lists them")),
        ClientError::NotFound { what: Resource::Agent, .. } => (Exit::Usage, Some("`wharf agents` lists them")),
        ClientError::NotFound { what: Resource::Tool, .. } => (Exit::Failed, Some("`wharf tools` lists them")),
        ClientError::Validation { field: Some(field), .. } if field == "model" => {
            (Exit::Usage, Some("`wharf models` lists the models that can be used"))
        }
        ClientError::Validation { .. } => (Exit::Usage, None),
        ClientError::QueueFull { .. } | ClientError::Busy { .. } => {
            (Exit::Failed, Some("`wharf attach` shows what runs; /cancel stops it"))
        }
        ClientError::NotFound { .. }
        | ClientError::MaxSessions { .. }
        | ClientError::CursorAhead { .. }
        | ClientError::CursorExpired { .. }
        | ClientError::AlreadyExists { .. }
        | ClientError::AlreadyResolved { .. }
        | ClientError::IdempotencyMismatch { .. }
        | ClientError::Protocol(_)
        | ClientError::Server(_) => (Exit::Failed, None),
    }
}
