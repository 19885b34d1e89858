//! A background command below the supervisor: begun, listened to, written to.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use wharf_protocol::{CallId, CommandEnd, CommandId, TerminalSize};

use super::{Ask, end_of};
use crate::environment::in_terminal;
use crate::run::Execution;
use crate::supervisor::Supervisor;
use crate::wire::{self, Background, CommandRequest, EndReport, Frames};

const READ_BYTES: usize = 4 * 1024;

/// A command that is to outlive the call that asks for it.
pub struct Launch {
    pub execution: Execution,
    pub supervisor: Arc<Supervisor>,
    /// The command line, for people.
    pub command: String,
    /// Where it starts; absolute.
    pub directory: String,
    pub terminal: Option<TerminalSize>,
    /// Its input stays open.
    pub takes_input: bool,
    /// Longest run that the call asks for.
    pub timeout_ms: Option<u64>,
}

impl Launch {
    /// Begins the command. Its output goes into a file in `output_dir`, the newest `output_max_bytes` of it.
    pub async fn start(
        self,
        id: &CommandId,
        call: &CallId,
        output_dir: &Path,
        output_max_bytes: u64,
        timeout_ms: u64,
    ) -> io::Result<RunningCommand> {
        let mut environment = self.execution.environment;
        environment.push(("WHARF_CALL".to_owned(), call.to_string()));
        environment.push(("WHARF_COMMAND".to_owned(), id.to_string()));
        if self.terminal.is_some() {
            in_terminal(&mut environment);
        }
        let request = CommandRequest {
            id: id.to_string(),
            program: self.execution.program.into_os_string(),
            arguments: self.execution.arguments,
            environment,
            timeout_ms: Some(timeout_ms),
            output_dir: output_dir.as_os_str().to_owned(),
            output_max_bytes,
            contained: self.execution.contained,
            background: Some(Background { terminal: self.terminal, takes_input: self.takes_input }),
        };
        let control =
            self.supervisor.begin(wire::json_frame(wire::REQUEST, &request)?, vec![self.execution.directory]).await?;
        Ok(RunningCommand { control, frames: Frames::default(), total: 0 })
    }
}

/// A background command while it runs. Dropped, it is killed: its keeper sees it.
pub struct RunningCommand {
    control: UnixStream,
    frames: Frames,
    total: u64,
}

/// What a running command tells.
#[derive(Debug, PartialEq, Eq)]
pub enum CommandNews {
    Begun,
    /// So many bytes of output are in its file.
    Grew(u64),
    /// So many bytes of input were taken, in all.
    Taken(u64),
    /// It has ended, and everything below it.
    Over(CommandEnd),
}

impl RunningCommand {
    /// The next news; after the end there is none. Safe to drop at any await.
    pub async fn next(&mut self) -> CommandNews {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.frames.next() {
                Ok(Some((kind, body))) => {
                    if let Some(news) = self.news(kind, &body) {
                        return news;
                    }
                }
                Ok(None) => match self.control.read(&mut buffer).await {
                    Ok(0) | Err(_) => return self.lost(),
                    Ok(count) => self.frames.push(&buffer[..count]),
                },
                Err(_) => return self.lost(),
            }
        }
    }

    /// Passes something on. Fails where the keeper has said its last word already.
    pub async fn ask(&mut self, ask: Ask) -> io::Result<()> {
        let frame = match ask {
            Ask::Input(bytes) => wire::frame(wire::INPUT, &bytes)?,
            Ask::CloseInput => wire::frame(wire::CLOSE_INPUT, &[])?,
            Ask::Resize(size) => wire::json_frame(wire::RESIZE, &size)?,
            Ask::Stop => wire::frame(wire::STOP, &[])?,
        };
        self.control.write_all(&frame).await
    }

    fn news(&mut self, kind: u8, body: &[u8]) -> Option<CommandNews> {
        let number = || body.try_into().map(u64::from_le_bytes).ok();
        Some(match kind {
            wire::BEGUN => CommandNews::Begun,
            wire::GREW => {
                self.total = number()?;
                CommandNews::Grew(self.total)
            }
            wire::TAKEN => CommandNews::Taken(number()?),
            wire::ENDED => match serde_json::from_slice::<EndReport>(body) {
                Ok(ended) => CommandNews::Over(end_of(&ended)),
                Err(_) => self.lost(),
            },
            wire::NOT_STARTED => CommandNews::Over(CommandEnd::failed(
                format!("it could not be run: {}", String::from_utf8_lossy(body)),
                0,
            )),
            _ => return None,
        })
    }

    /// The keeper is gone. The supervisor ends what is left.
    fn lost(&self) -> CommandNews {
        CommandNews::Over(CommandEnd::failed("its supervisor was killed, and the command with it", self.total))
    }
}
