//! `command_output`: what a background command has put out, and waiting for more.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use wharf_protocol::command::CommandOutputQuery;
use wharf_protocol::{CallOutcome, CommandId, CommandStatus, ToolKind, ToolOutput};

use super::bash::{ending, unavailable};
use super::typed::{About, TypedTool};
use crate::CallContext;
use crate::arguments::lenient;
use wharf_exec::commands::{OUTPUT_DEFAULT_BYTES, OUTPUT_WAIT_MOST_MS};

/// Longest wait of one call.
const WAIT_MOST_MS: u64 = 600_000;
/// Notes around the output.
const NOTES_BYTES: usize = 512;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Which command.
    #[serde(alias = "id", alias = "command")]
    command_id: CommandId,
    /// Byte to begin at, as an earlier result named it; default: the newest output.
    #[serde(default, deserialize_with = "lenient::number")]
    offset: Option<u64>,
    /// Most bytes.
    #[serde(default, deserialize_with = "lenient::number")]
    #[schemars(range(min = 1, max = 1_048_576))]
    limit: Option<u64>,
    /// How long to wait for output after the offset, or with until_end for the command's end.
    #[serde(default, alias = "timeout_ms", alias = "timeout", deserialize_with = "lenient::number")]
    #[schemars(range(max = 600_000))]
    wait_ms: Option<u64>,
    /// Wait until the command has ended, not only for its next output.
    #[serde(default, deserialize_with = "lenient::flag")]
    until_end: bool,
}

pub(super) struct CommandOutputTool;

impl TypedTool for CommandOutputTool {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "command_output",
            description: "Read what a background command has put out, from a byte offset or the newest; can wait for more, or for the command's end.",
            category: "shell",
            kind: ToolKind::Read,
            read_only: true,
            subject: None,
            timeout_ms: WAIT_MOST_MS + 10_000,
        }
    }

    async fn run(&self, arguments: Arguments, context: CallContext) -> CallOutcome {
        context.unless_cancelled(read(arguments, &context)).await?
    }
}

async fn read(arguments: Arguments, context: &CallContext) -> CallOutcome {
    let commands = context.commands.as_deref().ok_or_else(unavailable)?;
    let Arguments { command_id, offset, limit, wait_ms, until_end } = arguments;
    let room = context.output_limit.saturating_sub(NOTES_BYTES).max(1);
    let limit = limit.map_or(OUTPUT_DEFAULT_BYTES, |limit| usize::try_from(limit).unwrap_or(usize::MAX)).clamp(1, room);
    let until = Instant::now() + Duration::from_millis(wait_ms.unwrap_or(0).min(WAIT_MOST_MS));
    let left = || u64::try_from(until.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(0);
    if until_end {
        // Only its end is waited for: what comes before is read below, once.
        let mut at = commands.output(&command_id, CommandOutputQuery { limit: Some(1), ..Default::default() }).await?;
        while at.status == CommandStatus::Running && left() > 0 {
            let wait = Some(left().min(OUTPUT_WAIT_MOST_MS));
            let query = CommandOutputQuery { offset: Some(at.total_bytes), limit: Some(1), wait_ms: wait };
            at = commands.output(&command_id, query).await?;
        }
    }
    let wait_ms = Some(if until_end { 0 } else { left().min(OUTPUT_WAIT_MOST_MS) });
    let piece = commands.output(&command_id, CommandOutputQuery { offset, limit: Some(limit), wait_ms }).await?;
    let mut text = String::new();
    if piece.truncated {
        text.push_str(&format!("[output before byte {} is not kept]\n", piece.first_offset));
    }
    text.push_str(&piece.content);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let how = match piece.status {
        CommandStatus::Running => "running".to_owned(),
        _ => ending(&commands.get(&command_id).await?),
    };
    let (from, to, total) = (piece.offset, piece.next_offset, piece.total_bytes);
    text.push_str(&format!("[{how}; bytes {from}..{to} of {total}; next offset {to}]"));
    Ok(ToolOutput::text(text))
}
