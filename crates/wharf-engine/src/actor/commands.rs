//! The session's background commands: begun once their start is on disk, ended once on the log.

use tokio::time::Instant;
use wharf_core::{Answer, Input, NewCommand, Rejected};
use wharf_exec::commands::{Launch, keep_outputs};
use wharf_exec::{forget_command, recorded_command};
use wharf_failpoints::point;
use wharf_protocol::{CallId, CommandEnd, CommandId, CommandStatus};

use super::Actor;
use crate::EngineError;
use crate::commands::CommandStart;

impl Actor {
    /// A running call wants a command that outlives it.
    pub(super) async fn start_command(
        &mut self,
        call_id: CallId,
        launch: Launch,
    ) -> Result<Result<CommandId, Rejected>, EngineError> {
        let place = self.shared.command_places.clone().try_acquire_owned().ok();
        let new = NewCommand {
            call_id: call_id.clone(),
            command: launch.command.clone(),
            directory: launch.directory.clone(),
            terminal: launch.terminal,
            takes_input: launch.takes_input,
            timeout_ms: launch.timeout_ms,
            has_place: place.is_some(),
        };
        let output_dir = self.output_dir();
        // How long it may run, and how much of it is kept, the core says with the effect.
        self.starting = place.map(|permit| CommandStart {
            launch,
            call_id,
            output_dir,
            output_max_bytes: 0,
            timeout_ms: 0,
            permit,
        });
        let answer = self.handle(Input::StartCommand(new)).await;
        self.starting = None;
        Ok(match answer? {
            Ok(Answer::Command(command_id)) => Ok(command_id),
            Ok(other) => return Err(EngineError::Internal(format!("a command was answered with {other:?}"))),
            Err(rejected) => Err(rejected),
        })
    }

    /// A command is over, and so is everything below it.
    pub(super) async fn end_command(&mut self, command_id: CommandId, end: CommandEnd) -> Result<(), EngineError> {
        self.handle(Input::CommandEnded { command_id: command_id.clone(), end }).await?.ok();
        point("engine.after_command_end");
        self.commands.forget(&command_id);
        let known: Vec<CommandId> = self.core.commands().into_iter().map(|command| command.command_id).collect();
        self.in_outputs(move |dir, _| {
            forget_command(dir, &command_id);
            if let Err(error) = keep_outputs(dir, &known) {
                tracing::warn!(%error, "old outputs of commands could not be removed");
            }
        })
        .await;
        Ok(())
    }

    /// Gives the commands of a dead owner their end: the one that their keepers have written down, or that they were cut
    /// off. None is started again.
    pub(super) async fn recover_commands(&mut self) -> Result<(), EngineError> {
        for command_id in self.core.open_commands() {
            let wanted = command_id.clone();
            let look = move |dir: &std::path::Path, _| Some(recorded_command(dir, &wanted));
            let Some(end) = self.in_outputs(look).await else { return Err(EngineError::Stopping) };
            point("recovery.before_command_end");
            self.end_command(command_id, end).await?;
        }
        Ok(())
    }

    /// Waits for the commands that were asked to end. What does not reach the log now does at the next start.
    pub(super) async fn end_commands(&mut self, until: Instant) {
        while !self.commands.is_empty() {
            let Ok((command_id, mut end)) = tokio::time::timeout_at(until, self.commands.next()).await else { return };
            if end.status == CommandStatus::Stopped {
                end = CommandEnd::interrupted("the server was stopped", end.output_bytes);
            }
            if let Err(error) = self.end_command(command_id, end).await {
                tracing::warn!(session.id = %self.session, %error, "a command's end comes onto the log at the next start");
                return;
            }
        }
    }
}
