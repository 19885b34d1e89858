//! The background commands of a session: those that run, and the last that have ended.

use std::collections::VecDeque;

use wharf_protocol::event::{CommandEnded, CommandStarted};
use wharf_protocol::{Command, CommandId, CommandStatus, Event};

/// So many commands that have ended are known, and their output is kept.
const KEPT_ENDED: usize = 16;

/// The commands of a session.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) open: Vec<OpenCommand>,
    /// Newest first.
    ended: VecDeque<Command>,
}

#[derive(Debug)]
pub(crate) struct OpenCommand {
    pub(crate) command: Command,
    /// Who wants its end; not on the log.
    pub(crate) stopped_by: Option<Option<String>>,
}

impl Commands {
    pub(crate) fn started(&mut self, event: &Event, started: &CommandStarted) {
        self.open.push(OpenCommand { command: Command::from_started(started, event.timestamp), stopped_by: None });
    }

    pub(crate) fn ended(&mut self, event: &Event, ended: &CommandEnded) {
        let Some(at) = self.position(&ended.command_id) else { return };
        let mut command = self.open.remove(at).command;
        command.end(ended, event.timestamp);
        self.ended.push_front(command);
        self.ended.truncate(KEPT_ENDED);
    }

    /// What a cleared log says of them.
    pub(crate) fn restore(&mut self, commands: &[Command]) {
        let (open, ended): (Vec<&Command>, Vec<&Command>) =
            commands.iter().partition(|command| command.status == CommandStatus::Running);
        self.open =
            open.into_iter().rev().map(|command| OpenCommand { command: command.clone(), stopped_by: None }).collect();
        self.ended = ended.into_iter().cloned().collect();
    }

    /// Newest first, those that run before those that have ended.
    pub(crate) fn all(&self) -> Vec<Command> {
        self.open.iter().rev().map(|open| &open.command).chain(&self.ended).cloned().collect()
    }

    pub(crate) fn position(&self, id: &CommandId) -> Option<usize> {
        self.open.iter().position(|open| open.command.command_id == *id)
    }

    pub(crate) fn is_known(&self, id: &CommandId) -> bool {
        self.position(id).is_some() || self.ended.iter().any(|command| command.command_id == *id)
    }
}
