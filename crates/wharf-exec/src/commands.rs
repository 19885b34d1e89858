//! Background commands: started, listened to, written to and stopped.
//!
//! What a command has put out is read from its file, by whoever wants it.

mod running;

use std::io;
use std::path::{Path, PathBuf};

use wharf_protocol::command::{CommandOutput, CommandOutputQuery};
use wharf_protocol::{Command, CommandEnd, CommandId, CommandStatus, TerminalSize};

use crate::ring;
use crate::status::describe;
use crate::utf8::utf8_boundaries;
use crate::wire::{EndReport, HowEnded};

pub use running::{CommandNews, Launch, RunningCommand};

/// Bytes that may be on their way into a command. More is refused until it has read.
pub const INPUT_BYTES: usize = 64 * 1024;
/// Largest piece of output that is answered at once, and the one that is where none is asked for.
pub const OUTPUT_MOST_BYTES: usize = 1024 * 1024;
pub const OUTPUT_DEFAULT_BYTES: usize = 64 * 1024;
/// Longest wait for more output.
pub const OUTPUT_WAIT_MOST_MS: u64 = 60_000;

/// How a background command ended, by what its keeper says of it.
pub(crate) fn end_of(ended: &EndReport) -> CommandEnd {
    let (status, exit_code, error) = match (ended.end, ended.end.status()) {
        (_, Some(status)) => {
            let (code, words) = describe(status);
            (CommandStatus::Exited, Some(code), words.filter(|_| status.code().is_none()))
        }
        (HowEnded::TimedOut, None) => (CommandStatus::TimedOut, None, Some("it ran into its time limit".to_owned())),
        (HowEnded::Cancelled, None) => (CommandStatus::Stopped, None, None),
        _ => return CommandEnd::interrupted("the server died", ended.bytes),
    };
    CommandEnd { status, exit_code, error, duration_ms: None, output_bytes: ended.bytes }
}

/// What a command has put out, in its file; the command need not run any more, nor the server that started it. Blocks.
#[must_use]
pub fn read_output(command: &Command, output_dir: &Path, query: CommandOutputQuery) -> CommandOutput {
    let limit = query.limit.unwrap_or(OUTPUT_DEFAULT_BYTES).clamp(1, OUTPUT_MOST_BYTES);
    let path = output_path(output_dir, &command.command_id);
    // Before its first byte, and once it is no longer kept, there is no file.
    let total = command.output_bytes.unwrap_or(0);
    let piece = ring::read(&path, query.offset, limit).unwrap_or_else(|_| ring::Piece {
        offset: total,
        bytes: Vec::new(),
        first: total,
        total,
    });
    let total_bytes = piece.total.max(total);
    let is_all = piece.offset + piece.bytes.len() as u64 >= piece.total;
    // The next byte of a command that runs may complete the last character.
    let is_over = is_all && command.status != CommandStatus::Running;
    let asked_inside = query.offset == Some(piece.offset);
    let (from, to) = utf8_boundaries(&piece.bytes, !asked_inside, !is_over);
    let offset = piece.offset + from as u64;
    CommandOutput {
        command_id: command.command_id.clone(),
        status: command.status,
        offset,
        next_offset: piece.offset + to as u64,
        first_offset: piece.first,
        total_bytes,
        truncated: query.offset.is_some_and(|asked| offset > asked),
        content: String::from_utf8_lossy(&piece.bytes[from..to]).into_owned(),
    }
}

/// The file of a command's output.
#[must_use]
pub fn output_path(output_dir: &Path, id: &CommandId) -> PathBuf {
    output_dir.join(ring::name(id.as_str()))
}

/// Removes the outputs of all commands but these. Blocks.
pub fn keep_outputs(output_dir: &Path, known: &[CommandId]) -> io::Result<()> {
    for entry in std::fs::read_dir(output_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".out"));
        let is_forgotten =
            id.is_some_and(|id| id.starts_with(CommandId::PREFIX) && known.iter().all(|it| it.as_str() != id));
        if is_forgotten {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What is written to a command that runs, or wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Input(Vec<u8>),
    CloseInput,
    Resize(TerminalSize),
    Stop,
}
