//! A client as the place where a session's tools work: its files and its terminals, asked for by ACP's requests.

mod form;
mod left;
mod terminal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use async_trait::async_trait;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wharf_engine::{ClientHost, HostError, Offers, Question, Reply, Terminal, TerminalCommand};
use wharf_protocol::{CallId, SessionId};

use super::asking::Asking;
use super::attached::ToSession;
use super::method::Ours;
use crate::terminals::Terminals;
pub(super) use left::release_left;

/// An editor has the text in memory, or reads a file.
const READ_WAIT: Duration = Duration::from_secs(10);
/// Some ask the user first.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// What ends by another limit: this one only makes that no request waits for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A client as the place where one session's tools work.
pub(super) struct Host {
    pub(super) asking: Arc<Asking>,
    pub(super) session_id: SessionId,
    pub(super) offers: Offers,
    /// The session's directories: resolved, and as this client names them, where that differs.
    pub(super) aliases: Vec<(PathBuf, PathBuf)>,
    /// Weak: calls that still run do not keep the session attached.
    pub(super) commands: mpsc::WeakSender<ToSession>,
    pub(super) terminals: Arc<Terminals>,
    pub(super) tasks: TaskTracker,
}

/// Our extension: what the client has for tools of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiscoverTools {
    session_id: acp::SessionId,
}

/// Our extension: one call of such a tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallTool<'a> {
    session_id: acp::SessionId,
    tool_call_id: &'a str,
    name: &'a str,
    arguments: Value,
}

impl Host {
    fn session(&self) -> acp::SessionId {
        acp::SessionId::new(self.session_id.as_str())
    }

    /// An editor knows its files by the names under which it opened them.
    fn named(&self, path: &Path) -> PathBuf {
        let around = self.aliases.iter().filter(|(real, _)| path.starts_with(real));
        let innermost = around.max_by_key(|(real, _)| real.components().count());
        let named = innermost.and_then(|(real, given)| Some(given.join(path.strip_prefix(real).ok()?)));
        named.unwrap_or_else(|| path.to_owned())
    }
}

#[async_trait]
impl ClientHost for Host {
    fn offers(&self) -> Offers {
        if self.asking.is_alive() { self.offers } else { Offers::default() }
    }

    async fn read_text(&self, path: &Path) -> Result<String, HostError> {
        let request = acp::ReadTextFileRequest::new(self.session(), self.named(path));
        let answer: acp::ReadTextFileResponse = self.asking.ask(Ours::ReadTextFile, &request, READ_WAIT).await?;
        Ok(answer.content)
    }

    async fn write_text(&self, path: &Path, text: &str) -> Result<(), HostError> {
        let request = acp::WriteTextFileRequest::new(self.session(), self.named(path), text);
        // `{}` by the protocol, `null` by some clients.
        let IgnoredAny = self.asking.ask(Ours::WriteTextFile, &request, WRITE_WAIT).await?;
        Ok(())
    }

    async fn open_terminal(&self, call: &CallId, command: TerminalCommand) -> Result<Box<dyn Terminal>, HostError> {
        self.start(call, command).await
    }

    async fn ask(&self, call: &CallId, question: &Question, limit: Duration) -> Result<Reply, HostError> {
        let request = form::request(self.session(), call, question);
        // A person who thinks is no client that does not answer.
        match timeout(limit, self.asking.ask(Ours::CreateElicitation, &request, LONGEST_WAIT)).await {
            Ok(answer) => Ok(form::reply(answer?)),
            Err(_) => Err(HostError::Silent { after_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }),
        }
    }

    async fn discover(&self) -> Result<Value, HostError> {
        let request = DiscoverTools { session_id: self.session() };
        self.asking.ask(Ours::DiscoverTools, &request, READ_WAIT).await
    }

    async fn call(&self, call: &CallId, tool: &str, arguments: Value) -> Result<Value, HostError> {
        let request = CallTool { session_id: self.session(), tool_call_id: call.as_str(), name: tool, arguments };
        // The call's own limit ends it, and takes the request back.
        self.asking.ask(Ours::CallTool, &request, LONGEST_WAIT).await
    }
}

#[cfg(test)]
mod tests;
