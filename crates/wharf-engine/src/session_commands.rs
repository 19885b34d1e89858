//! A session's background commands as its tools and clients reach them: one door for both.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use wharf_core::{Core, Input};
use wharf_exec::commands::{Ask, INPUT_BYTES, Launch, OUTPUT_MOST_BYTES, OUTPUT_WAIT_MOST_MS, read_output};
use wharf_protocol::command::{CommandInput, CommandList, CommandOutput, CommandOutputQuery};
use wharf_protocol::{CallId, Command, CommandId, CommandStatus, SessionId, TerminalSize, ToolError};
use wharf_tools::commands::Commands;

use crate::EngineError;
use crate::commands::{LiveCommand, Passed};
use crate::live::Shared;
use crate::request::Request;

/// Who stands on the log where the agent stops a command.
const AGENT: &str = "agent";

/// The commands of one session.
pub(crate) struct SessionCommands {
    shared: Arc<Shared>,
    session: SessionId,
}

impl SessionCommands {
    pub(crate) fn new(shared: &Arc<Shared>, session: &SessionId) -> Self {
        Self { shared: Arc::clone(shared), session: session.clone() }
    }

    /// Those that run, and the last ones that have ended; newest first.
    pub(crate) async fn all(&self) -> Result<CommandList, EngineError> {
        let commands = self.shared.look(&self.session, Core::commands).await?;
        Ok(CommandList {
            session_id: self.session.clone(),
            commands,
            limit: self.shared.config().limits.session_commands,
        })
    }

    pub(crate) async fn find(&self, id: &CommandId) -> Result<Command, EngineError> {
        let wanted = id.clone();
        let find = move |core: &Core| core.commands().into_iter().find(|command| command.command_id == wanted);
        self.shared.look(&self.session, find).await?.ok_or_else(|| EngineError::CommandNotFound(id.clone()))
    }

    /// A piece of what a command has put out. Waits for it as long as the query says; any number may wait.
    pub(crate) async fn read_output(
        &self,
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
        let output_dir = self.shared.output_dir(&self.session);
        loop {
            let command = self.find(id).await?;
            let (status, dir) = (command.status, output_dir.clone());
            let piece = tokio::task::spawn_blocking(move || read_output(&command, &dir, query)).await;
            let piece = piece.map_err(|_| EngineError::Stopping)?;
            if let Some(offset) = query.offset.filter(|offset| *offset > piece.total_bytes) {
                let reason = format!("{offset} is beyond the output, which has {} bytes", piece.total_bytes);
                return Err(EngineError::Invalid { field: "offset", reason });
            }
            let live = self.shared.commands.get(&self.session, id);
            let is_news = !piece.content.is_empty() || status != CommandStatus::Running || Instant::now() >= until;
            let (false, Some(live)) = (is_news, live) else { return Ok(piece) };
            tokio::select! {
                () = live.grew_beyond(piece.total_bytes) => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.shared.stop.cancelled() => return Err(EngineError::Stopping),
            }
        }
    }

    pub(crate) async fn pass_input(&self, id: &CommandId, input: CommandInput) -> Result<(), EngineError> {
        let CommandInput { content, close } = input;
        if content.len() > INPUT_BYTES {
            let reason = format!("{} bytes; at most {INPUT_BYTES} are taken at once", content.len());
            return Err(EngineError::Invalid { field: "content", reason });
        }
        let (command, live) = self.running(id).await?;
        if !command.takes_input {
            return Err(EngineError::CommandClosed { command: id.clone(), reason: "it was started without input" });
        }
        match live.input(content.into_bytes(), close).await {
            Passed::On => Ok(()),
            Passed::Full => Err(EngineError::Overloaded("the command has not read its earlier input")),
            Passed::Over => Err(ended(id)),
        }
    }

    /// Has it stopped, with everything that it started; fine for one that has ended.
    pub(crate) async fn end(&self, id: &CommandId, by: Option<String>) -> Result<(), EngineError> {
        let input = Box::new(Input::StopCommand { command_id: id.clone(), by });
        self.shared.ask(&self.session, |reply| Request::Ask { input, reply }).await.map(drop)
    }

    pub(crate) async fn resize(&self, id: &CommandId, terminal: TerminalSize) -> Result<(), EngineError> {
        if !terminal.is_valid() {
            let reason = format!("columns and rows must be from 1 to {}", TerminalSize::MOST);
            return Err(EngineError::Invalid { field: "columns", reason });
        }
        let (command, live) = self.running(id).await?;
        if command.terminal.is_none() {
            return Err(EngineError::CommandClosed { command: id.clone(), reason: "it has no terminal" });
        }
        if live.ask(Ask::Resize(terminal)).await { Ok(()) } else { Err(ended(id)) }
    }

    async fn running(&self, id: &CommandId) -> Result<(Command, Arc<LiveCommand>), EngineError> {
        let command = self.find(id).await?;
        let live = self.shared.commands.get(&self.session, id).ok_or_else(|| ended(id))?;
        Ok((command, live))
    }
}

#[async_trait]
impl Commands for SessionCommands {
    async fn start(&self, call: &CallId, launch: Launch) -> Result<CommandId, ToolError> {
        let (call_id, launch) = (call.clone(), Box::new(launch));
        let started = self.shared.ask(&self.session, |reply| Request::StartCommand { call_id, launch, reply });
        started.await.map_err(told)
    }

    async fn list(&self) -> Result<CommandList, ToolError> {
        self.all().await.map_err(told)
    }

    async fn get(&self, id: &CommandId) -> Result<Command, ToolError> {
        self.find(id).await.map_err(told)
    }

    async fn output(&self, id: &CommandId, query: CommandOutputQuery) -> Result<CommandOutput, ToolError> {
        self.read_output(id, query).await.map_err(told)
    }

    async fn input(&self, id: &CommandId, content: String, close: bool) -> Result<(), ToolError> {
        self.pass_input(id, CommandInput { content, close }).await.map_err(told)
    }

    async fn stop(&self, id: &CommandId) -> Result<(), ToolError> {
        self.end(id, Some(AGENT.to_owned())).await.map_err(told)
    }
}

fn told(error: EngineError) -> ToolError {
    ToolError::Failed(error.to_api().error)
}

fn ended(id: &CommandId) -> EngineError {
    EngineError::CommandClosed { command: id.clone(), reason: "it has ended" }
}
