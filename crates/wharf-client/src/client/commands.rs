//! Background commands of a session: what runs, what it has put out, and its end.

use std::time::Duration;

use reqwest::Method;
use wharf_protocol::command::{
    CommandInput, CommandInputTaken, CommandList, CommandOutput, CommandOutputQuery, CommandResized, StopCommand,
};
use wharf_protocol::{Command, CommandId, SessionId, TerminalSize};

use super::Client;
use crate::ClientError;
use crate::backend::Backend;
#[cfg(feature = "embedded")]
use crate::embedded::told;

impl Client {
    /// Those that run, and the last ones that have ended; newest first.
    pub async fn commands(&self, session: &SessionId) -> Result<CommandList, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "commands"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.commands(session).await.map_err(told),
        }
    }

    pub async fn command(&self, session: &SessionId, command: &CommandId) -> Result<Command, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.get(&["sessions", session.as_str(), "commands", command.as_str()]);
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.command(session, command).await.map_err(told),
        }
    }

    /// A piece of what a command has put out. To follow it, ask again with `next_offset` and `wait_ms`.
    pub async fn command_output(
        &self,
        session: &SessionId,
        command: &CommandId,
        query: CommandOutputQuery,
    ) -> Result<CommandOutput, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let CommandOutputQuery { offset, limit, wait_ms } = query;
                let wait = Duration::from_millis(wait_ms.unwrap_or(0));
                let request = remote
                    .http
                    .get(&["sessions", session.as_str(), "commands", command.as_str(), "output"])
                    .query("offset", offset)
                    .query("limit", limit)
                    .query("wait_ms", wait_ms)
                    .timeout(remote.http.timeouts.request + wait);
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.command_output(session, command, query).await.map_err(told),
        }
    }

    /// Writes to a command's input. Not repeated where the answer is lost: what was written may have been read.
    pub async fn command_input(
        &self,
        session: &SessionId,
        command: &CommandId,
        input: CommandInput,
    ) -> Result<CommandInputTaken, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let path = ["sessions", session.as_str(), "commands", command.as_str(), "input"];
                remote.http.fetch(remote.http.request(Method::POST, &path).json(&input)?).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.command_input(session, command, input).await.map_err(told),
        }
    }

    pub async fn resize_command(
        &self,
        session: &SessionId,
        command: &CommandId,
        terminal: TerminalSize,
    ) -> Result<CommandResized, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let path = ["sessions", session.as_str(), "commands", command.as_str(), "resize"];
                remote.http.fetch(remote.http.request(Method::POST, &path).json(&terminal)?.repeatable()).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.access.resize_command(session, command, terminal).await.map_err(told)
            }
        }
    }

    /// Has a command stopped, with everything that it has started; fine for one that has ended.
    pub async fn stop_command(&self, session: &SessionId, command: &CommandId) -> Result<Command, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let path = ["sessions", session.as_str(), "commands", command.as_str(), "stop"];
                let request = remote.http.request(Method::POST, &path).json(&StopCommand {})?.repeatable();
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.stop_command(session, command).await.map_err(told),
        }
    }
}
