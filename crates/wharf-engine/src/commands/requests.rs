//! What clients and tools may ask about a session's background commands.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wharf_core::{Core, Input};
use wharf_protocol::command::{
    CommandInput, CommandInputTaken, CommandList, CommandOutput, CommandOutputQuery, CommandResized,
};
use wharf_protocol::{Command, CommandId, CommandStatus, SessionId, TerminalSize};
use wharf_tools::commands::{Ask, INPUT_BYTES, OUTPUT_MOST_BYTES, OUTPUT_WAIT_MOST_MS, read_output};

use super::LiveCommand;
use crate::EngineError;
use crate::engine::{Caller, Engine};
use crate::live::{Request, Shared};

impl Engine {
    /// Those that run, and the last ones that have ended; newest first.
    pub async fn commands(&self, session: &SessionId) -> Result<CommandList, EngineError> {
        self.shared.commands_of(session).await
    }

    pub async fn command(&self, session: &SessionId, id: &CommandId) -> Result<Command, EngineError> {
        self.shared.command(session, id).await
    }

    /// A piece of what a command has put out. Waits for it as long as the query says; any number may wait.
    pub async fn command_output(
        &self,
        session: &SessionId,
        id: &CommandId,
        query: CommandOutputQuery,
    ) -> Result<CommandOutput, EngineError> {
        self.shared.command_output(session, id, query).await
    }

    pub async fn command_input(
        &self,
        session: &SessionId,
        id: &CommandId,
        input: CommandInput,
        caller: &Caller,
    ) -> Result<CommandInputTaken, EngineError> {
        let bytes = input.content.len();
        self.shared.command_input(session, id, input).await?;
        tracing::debug!(session.id = %session, command.id = %id, bytes, by = %caller.name, "input for a command");
        Ok(CommandInputTaken { status: "written".to_owned(), command_id: id.clone(), bytes })
    }

    pub async fn resize_command(
        &self,
        session: &SessionId,
        id: &CommandId,
        terminal: TerminalSize,
        _caller: &Caller,
    ) -> Result<CommandResized, EngineError> {
        if !terminal.is_valid() {
            let reason = format!("columns and rows must be from 1 to {}", TerminalSize::MOST);
            return Err(EngineError::Invalid { field: "columns", reason });
        }
        let (command, live) = self.shared.live_command(session, id).await?;
        if command.terminal.is_none() {
            return Err(EngineError::CommandClosed { command: id.clone(), reason: "it has no terminal" });
        }
        if !live.ask(Ask::Resize(terminal)).await {
            return Err(ended(id));
        }
        Ok(CommandResized { status: "resized".to_owned(), command_id: id.clone(), terminal })
    }

    /// Has it stopped, with everything that it started; fine for one that has ended. Its end is an event.
    pub async fn stop_command(
        &self,
        session: &SessionId,
        id: &CommandId,
        caller: &Caller,
    ) -> Result<Command, EngineError> {
        self.shared.stop_command(session, id, Some(caller.name.to_string())).await?;
        self.shared.command(session, id).await
    }
}

impl Shared {
    pub(super) async fn commands_of(self: &Arc<Self>, session: &SessionId) -> Result<CommandList, EngineError> {
        let commands = self.look(session, Core::commands).await?;
        Ok(CommandList { session_id: session.clone(), commands, limit: self.config().limits.session_commands })
    }

    pub(super) async fn command(self: &Arc<Self>, session: &SessionId, id: &CommandId) -> Result<Command, EngineError> {
        let wanted = id.clone();
        let find = move |core: &Core| core.commands().into_iter().find(|command| command.command_id == wanted);
        self.look(session, find).await?.ok_or_else(|| EngineError::CommandNotFound(id.clone()))
    }

    pub(super) async fn command_output(
        self: &Arc<Self>,
        session: &SessionId,
        id: &CommandId,
        query: CommandOutputQuery,
    ) -> Result<CommandOutput, EngineError> {
        if query.limit.is_some_and(|limit| !(1..=OUTPUT_MOST_BYTES).contains(&limit)) {
            let reason = format!("must be from 1 to {OUTPUT_MOST_BYTES}");
            return Err(EngineError::Invalid { field: "limit", reason });
        }
        let wait_ms = query.wait_ms.unwrap_or(0);
        if wait_ms > OUTPUT_WAIT_MOST_MS {
            let reason = format!("must be from 0 to {OUTPUT_WAIT_MOST_MS}");
            return Err(EngineError::Invalid { field: "wait_ms", reason });
        }
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let output_dir = self.output_dir(session);
        loop {
            let command = self.command(session, id).await?;
            let (status, dir) = (command.status, output_dir.clone());
            let piece = tokio::task::spawn_blocking(move || read_output(&command, &dir, query)).await;
            let piece = piece.map_err(|_| EngineError::Stopping)?;
            if let Some(offset) = query.offset.filter(|offset| *offset > piece.total_bytes) {
                let reason = format!("{offset} is beyond the output, which has {} bytes", piece.total_bytes);
                return Err(EngineError::Invalid { field: "offset", reason });
            }
            let live = self.commands.get(session, id);
            let is_news = !piece.content.is_empty() || status != CommandStatus::Running || Instant::now() >= until;
            let (false, Some(live)) = (is_news, live) else { return Ok(piece) };
            tokio::select! {
                () = live.grew_beyond(piece.total_bytes) => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.stop.cancelled() => return Err(EngineError::Stopping),
            }
        }
    }

    pub(super) async fn command_input(
        self: &Arc<Self>,
        session: &SessionId,
        id: &CommandId,
        input: CommandInput,
    ) -> Result<(), EngineError> {
        let CommandInput { content, close } = input;
        if content.len() > INPUT_BYTES {
            let reason = format!("{} bytes; at most {INPUT_BYTES} are taken at once", content.len());
            return Err(EngineError::Invalid { field: "content", reason });
        }
        let (command, live) = self.live_command(session, id).await?;
        if !command.takes_input {
            return Err(EngineError::CommandClosed { command: id.clone(), reason: "it was started without input" });
        }
        match live.input(content.into_bytes(), close).await {
            super::Passed::On => Ok(()),
            super::Passed::Full => Err(EngineError::Overloaded("the command has not read its earlier input")),
            super::Passed::Over => Err(ended(id)),
        }
    }

    pub(super) async fn stop_command(
        self: &Arc<Self>,
        session: &SessionId,
        id: &CommandId,
        by: Option<String>,
    ) -> Result<(), EngineError> {
        let input = Box::new(Input::StopCommand { command_id: id.clone(), by });
        self.ask(session, |reply| Request::Ask { input, reply }).await.map(drop)
    }

    async fn live_command(
        self: &Arc<Self>,
        session: &SessionId,
        id: &CommandId,
    ) -> Result<(Command, Arc<LiveCommand>), EngineError> {
        let command = self.command(session, id).await?;
        let live = self.commands.get(session, id).ok_or_else(|| ended(id))?;
        Ok((command, live))
    }
}

fn ended(id: &CommandId) -> EngineError {
    EngineError::CommandClosed { command: id.clone(), reason: "it has ended" }
}
