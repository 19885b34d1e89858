//! Background commands, as clients ask about them.

use wharf_protocol::command::{
    CommandInput, CommandInputTaken, CommandList, CommandOutput, CommandOutputQuery, CommandResized,
};
use wharf_protocol::{Command, CommandId, SessionId, TerminalSize};

use super::Access;
use crate::EngineError;
use crate::session_commands::SessionCommands;

impl Access {
    /// Those that run, and the last ones that have ended; newest first.
    pub async fn commands(&self, session: &SessionId) -> Result<CommandList, EngineError> {
        self.commands_of(session).all().await
    }

    pub async fn command(&self, session: &SessionId, id: &CommandId) -> Result<Command, EngineError> {
        self.commands_of(session).find(id).await
    }

    /// A piece of what a command has put out. Waits for it as long as the query says; any number may wait.
    pub async fn command_output(
        &self,
        session: &SessionId,
        id: &CommandId,
        query: CommandOutputQuery,
    ) -> Result<CommandOutput, EngineError> {
        self.commands_of(session).read_output(id, query).await
    }

    pub async fn command_input(
        &self,
        session: &SessionId,
        id: &CommandId,
        input: CommandInput,
    ) -> Result<CommandInputTaken, EngineError> {
        let bytes = input.content.len();
        self.commands_of(session).pass_input(id, input).await?;
        tracing::debug!(session.id = %session, command.id = %id, bytes, by = %self.caller.name, "input for a command");
        Ok(CommandInputTaken { status: "written".to_owned(), command_id: id.clone(), bytes })
    }

    pub async fn resize_command(
        &self,
        session: &SessionId,
        id: &CommandId,
        terminal: TerminalSize,
    ) -> Result<CommandResized, EngineError> {
        self.commands_of(session).resize(id, terminal).await?;
        Ok(CommandResized { status: "resized".to_owned(), command_id: id.clone(), terminal })
    }

    /// Has it stopped, with everything that it started; fine for one that has ended. Its end is an event.
    pub async fn stop_command(&self, session: &SessionId, id: &CommandId) -> Result<Command, EngineError> {
        self.commands_of(session).end(id, self.caller.by()).await?;
        self.commands_of(session).find(id).await
    }

    fn commands_of(&self, session: &SessionId) -> SessionCommands {
        SessionCommands::new(&self.shared, session)
    }
}
