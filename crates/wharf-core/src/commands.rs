//! Background commands: begun by a tool call, and beside the turns from then on; each has exactly one end.

use wharf_protocol::event::{CommandEnded, CommandStarted};
use wharf_protocol::{Command, CommandEnd, CommandId, CommandStatus};

use crate::core::Core;
use crate::input::NewCommand;
use crate::outcome::{Answer, Effect, Rejected};

impl Core {
    /// A running call wants a command that outlives it.
    pub(crate) fn start_command(&mut self, new: NewCommand) -> Result<Answer, Rejected> {
        if self.deleting.is_some() {
            return Err(Rejected::Deleted);
        }
        if self.draining {
            return Err(Rejected::Draining);
        }
        // After a cancel nothing of the turn starts, not even from a call that has not heard of it yet.
        let call = self.call(&new.call_id);
        let running = call.filter(|call| call.running.as_ref().is_some_and(|running| running.stopping.is_none()));
        let turn_id = running.ok_or(Rejected::CallOver)?.proposal.turn_id.clone();
        if !new.has_place {
            return Err(Rejected::TooManyCommands { limit: self.config.max_server_commands });
        }
        let limit = self.config.max_commands;
        if self.commands.open.len() >= limit {
            return Err(Rejected::TooManyCommands { limit });
        }
        let command_id = self.ids.command();
        let NewCommand { call_id, command, directory, terminal, takes_input, timeout_ms, has_place: _ } = new;
        let most_ms = self.config.max_command_ms.max(1);
        let timeout_ms = timeout_ms.unwrap_or(most_ms).clamp(1, most_ms);
        let output_max_bytes = self.config.command_output_bytes;
        let started = CommandStarted {
            command_id: command_id.clone(),
            call_id,
            command,
            directory,
            terminal,
            takes_input,
            timeout_ms,
            output_max_bytes,
        };
        self.emit(turn_id, started);
        self.effects.push(Effect::StartCommand { command_id: command_id.clone(), timeout_ms, output_max_bytes });
        Ok(Answer::Command(command_id))
    }

    /// Stops a command; fine for one that has ended.
    pub(crate) fn stop_command(&mut self, id: &CommandId, by: Option<String>) -> Result<Answer, Rejected> {
        let Some(at) = self.commands.position(id) else {
            let command_id = id.clone();
            return if self.commands.is_known(id) {
                Ok(Answer::Done)
            } else {
                Err(Rejected::UnknownCommand { command_id })
            };
        };
        self.commands.open[at].stopped_by.get_or_insert(by);
        self.effects.push(Effect::StopCommand { command_id: id.clone() });
        Ok(Answer::Done)
    }

    /// A command that has its end already has no other.
    pub(crate) fn command_ended(&mut self, id: &CommandId, end: CommandEnd) {
        let Some(at) = self.commands.position(id) else { return };
        let open = &self.commands.open[at];
        let CommandEnd { status, exit_code, error, duration_ms, output_bytes } = end;
        let by = open.stopped_by.clone().flatten().filter(|_| status == CommandStatus::Stopped);
        // One that never ran has not run since its start.
        let duration_ms = duration_ms.unwrap_or_else(|| self.now.ms_since(open.command.started_at));
        self.emit(
            None,
            CommandEnded { command_id: id.clone(), status, exit_code, error, by, duration_ms, output_bytes },
        );
    }

    /// The commands of the session, newest first, those that run before those that have ended; the oldest of those are
    /// forgotten.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.commands.all()
    }

    /// The commands that have no end on the log.
    #[must_use]
    pub fn open_commands(&self) -> Vec<CommandId> {
        self.commands.open.iter().map(|open| open.command.command_id.clone()).collect()
    }
}
