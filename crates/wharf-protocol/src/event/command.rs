//! How events change the view of a background command.

use super::{CommandEnded, CommandStarted};
use crate::{Command, CommandStatus, Timestamp};

impl Command {
    /// The view after `command.started`.
    #[must_use]
    pub fn from_started(started: &CommandStarted, at: Timestamp) -> Self {
        let CommandStarted {
            command_id,
            call_id,
            command,
            directory,
            terminal,
            takes_input,
            timeout_ms,
            output_max_bytes,
        } = started.clone();
        Self {
            command_id,
            command,
            directory,
            status: CommandStatus::Running,
            call_id,
            terminal,
            takes_input,
            started_at: at,
            timeout_ms,
            output_max_bytes,
            ended_at: None,
            exit_code: None,
            error: None,
            by: None,
            duration_ms: None,
            output_bytes: None,
        }
    }

    /// The view after `command.ended`.
    pub fn end(&mut self, ended: &CommandEnded, at: Timestamp) {
        let CommandEnded { command_id: _, status, exit_code, error, by, duration_ms, output_bytes } = ended.clone();
        self.status = status;
        self.ended_at = Some(at);
        self.exit_code = exit_code;
        self.error = error;
        self.by = by;
        self.duration_ms = Some(duration_ms);
        self.output_bytes = Some(output_bytes);
    }
}
