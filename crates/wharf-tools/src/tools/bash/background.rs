//! Commands of `bash` that are objects of their session: those that outlive the call, and those with a terminal.

use std::time::{Duration, Instant};

use wharf_protocol::command::CommandOutputQuery;
use wharf_protocol::{CallOutcome, Command, CommandId, CommandStatus, ToolError, ToolOutput};

use crate::CallContext;
use crate::commands::Commands;
use wharf_exec::Excerpt;
use wharf_exec::commands::{Launch, OUTPUT_WAIT_MOST_MS};

/// How long a background command is watched before the call says that it runs: one that fails at once is told as such.
const FIRST_LOOK: Duration = Duration::from_millis(400);
/// So much of what it puts out meanwhile is told.
const FIRST_OUTPUT_BYTES: usize = 8 * 1024;
/// A piece of what a call in a terminal puts out.
const PIECE_BYTES: usize = 16 * 1024;

pub(in crate::tools) fn unavailable() -> ToolError {
    ToolError::Failed("this server runs no background commands and no terminals: it has no exec supervisor".into())
}

/// Starts the command and leaves it.
pub(super) async fn start(launch: Launch, context: &CallContext) -> CallOutcome {
    let commands = context.commands.as_deref().ok_or_else(unavailable)?;
    let id = begin(commands, launch, context).await?;
    let until = Instant::now() + FIRST_LOOK;
    let mut offset = 0;
    let mut text = String::new();
    let status = loop {
        let left = until.saturating_duration_since(Instant::now());
        let limit = FIRST_OUTPUT_BYTES - text.len();
        let query = query(offset, limit, u64::try_from(left.as_millis()).unwrap_or(0));
        let piece = tokio::select! {
            piece = commands.output(&id, query) => piece?,
            // It runs, and the session will stop it where that is wanted.
            () = context.cancel.cancelled() => break CommandStatus::Running,
        };
        text.push_str(&piece.content);
        offset = piece.next_offset;
        let is_over = piece.status != CommandStatus::Running && offset >= piece.total_bytes;
        if is_over || left.is_zero() || text.len() + 4 > FIRST_OUTPUT_BYTES {
            break piece.status;
        }
    };
    let told = match status {
        CommandStatus::Running => format!("[background command {id} runs; read it with command_output]"),
        _ => format!("[background command {id} has ended: {}]", ending(&commands.get(&id).await?)),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(ToolOutput { result: text + &told, ..ToolOutput::default() })
}

/// Runs the command to its end, as an object that clients may write to meanwhile.
pub(super) async fn follow(launch: Launch, context: &CallContext) -> CallOutcome {
    let commands = context.commands.as_deref().ok_or_else(unavailable)?;
    let id = begin(commands, launch, context).await?;
    let mut excerpt = Excerpt::new(context.output_limit);
    let (mut offset, mut is_stopped) = (0, false);
    let ended = loop {
        let next = commands.output(&id, query(offset, PIECE_BYTES, OUTPUT_WAIT_MOST_MS));
        let piece = tokio::select! {
            piece = next => piece?,
            () = context.cancel.cancelled(), if !is_stopped => {
                is_stopped = true;
                commands.stop(&id).await?;
                continue;
            }
        };
        offset = piece.next_offset;
        excerpt.push(piece.content.as_bytes());
        if !piece.content.is_empty() && !is_stopped {
            tokio::select! {
                () = context.progress.send(piece.content) => {}
                () = context.cancel.cancelled() => {}
            }
        }
        if piece.status != CommandStatus::Running && offset >= piece.total_bytes {
            break commands.get(&id).await?;
        }
    };
    let captured = excerpt.finish(None);
    let mut text = captured.text;
    match ended.status {
        CommandStatus::Exited => {
            if text.is_empty() {
                text.push_str("(no output)");
            }
            if ended.exit_code != Some(0) {
                note(&mut text, &ending(&ended));
            }
            let truncated = captured.truncated;
            Ok(ToolOutput { result: text, exit_code: ended.exit_code, truncated, ..ToolOutput::default() })
        }
        CommandStatus::TimedOut => {
            Err(ToolError::TimedOut { after_ms: ended.duration_ms.unwrap_or(ended.timeout_ms), output: text })
        }
        CommandStatus::Stopped | CommandStatus::Interrupted if is_stopped => Err(ToolError::Stopped { output: text }),
        CommandStatus::Stopped => {
            note(&mut text, &ending(&ended));
            Ok(ToolOutput { result: text, truncated: captured.truncated, ..ToolOutput::default() })
        }
        CommandStatus::Interrupted | CommandStatus::Failed | CommandStatus::Running => {
            note(&mut text, &ending(&ended));
            Err(ToolError::Failed(text))
        }
    }
}

async fn begin(commands: &dyn Commands, launch: Launch, context: &CallContext) -> Result<CommandId, ToolError> {
    context.unless_cancelled(commands.start(&context.call_id, launch)).await?
}

fn query(offset: u64, limit: usize, wait_ms: u64) -> CommandOutputQuery {
    CommandOutputQuery { offset: Some(offset), limit: Some(limit), wait_ms: Some(wait_ms) }
}

fn note(text: &mut String, words: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("[{words}]"));
}

/// How a command ended, in words.
pub(in crate::tools) fn ending(command: &Command) -> String {
    let by = command.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let error = command.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    match (command.status, command.exit_code) {
        (CommandStatus::Exited, Some(code)) => format!("exit code {code}{error}"),
        (status, _) => format!("{}{by}{error}", status.as_str()),
    }
}
