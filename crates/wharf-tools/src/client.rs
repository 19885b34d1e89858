//! What an attached client does for a tool: it knows the text of files as its editor shows them, and runs commands in its
//! terminals.
//!
//! A port: transports that can ask their clients implement it. What a call may touch was decided before a client is asked.

mod tool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use wharf_protocol::CallId;

use crate::question::{Question, Reply};

pub use tool::ClientTool;

/// What a client can do for tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offers {
    pub read_text: bool,
    pub write_text: bool,
    pub terminal: bool,
    /// It shows forms to its user.
    pub forms: bool,
    /// It has tools of its own.
    pub tools: bool,
}

impl Offers {
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// It does work that else the server does.
    #[must_use]
    pub fn works(self) -> bool {
        self.read_text || self.write_text || self.terminal || self.tools
    }
}

/// A client as the place where tools work. Every question ends: with an answer, or with an error within the client's time.
#[async_trait]
pub trait ClientHost: Send + Sync + 'static {
    /// What it would do now. Nothing, once it has gone or stopped answering.
    fn offers(&self) -> Offers;

    /// The text of the file at this absolute path, with changes that are not saved.
    async fn read_text(&self, path: &Path) -> Result<String, HostError>;

    /// Makes this the text of the file, which is created where it is missing.
    async fn write_text(&self, path: &Path, text: &str) -> Result<(), HostError>;

    /// Starts a command in a terminal that the client shows with the call.
    async fn open_terminal(&self, call: &CallId, command: TerminalCommand) -> Result<Box<dyn Terminal>, HostError>;

    /// Shows a question to the user, who may take so long.
    async fn ask(&self, call: &CallId, question: &Question, limit: Duration) -> Result<Reply, HostError>;

    /// The tools of its own that it has now, in its words: `{"tools": [...]}`.
    async fn discover(&self) -> Result<Value, HostError>;

    /// Runs one of them, to its end: the caller has the limit, and drops what it does not wait for any more. The answer is in
    /// the client's words too.
    async fn call(&self, call: &CallId, tool: &str, arguments: Value) -> Result<Value, HostError>;
}

/// A command for a client's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalCommand {
    pub program: String,
    pub arguments: Vec<String>,
    /// Beside what the client's own terminals have.
    pub environment: Vec<(String, String)>,
    /// Absolute.
    pub directory: PathBuf,
    /// Most bytes of output that are kept: the last ones.
    pub output_limit: u64,
}

/// A command in a client's terminal. Dropped, it is released; if it still runs, it is stopped.
#[async_trait]
pub trait Terminal: Send + Sync {
    /// What it has put out so far.
    async fn output(&self) -> Result<TerminalOutput, HostError>;

    /// Waits for its end, as long as it takes.
    async fn exit(&self) -> Result<TerminalExit, HostError>;

    /// Stops it; its output can still be asked for.
    async fn kill(&self) -> Result<(), HostError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalOutput {
    pub text: String,
    /// The first part is missing.
    pub truncated: bool,
}

/// How a command in a terminal ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerminalExit {
    pub code: Option<u32>,
    pub signal: Option<String>,
}

/// Why a client did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// In its own words, as one line.
    #[error("{0}")]
    Refused(String),
    /// Whether it did it is not known.
    #[error("no answer within {after_ms} ms")]
    Silent { after_ms: u64 },
    /// Whether it did it is not known.
    #[error("the connection is gone")]
    Gone,
}

/// The clients that a call may turn to, in the order in which they are asked for what they offer.
#[derive(Clone, Default)]
pub struct Clients {
    hosts: Vec<Arc<dyn ClientHost>>,
    /// Files and commands are the server's; only the user is asked.
    only_ask: bool,
}

impl Clients {
    #[must_use]
    pub fn new(hosts: Vec<Arc<dyn ClientHost>>) -> Self {
        Self { hosts, only_ask: false }
    }

    #[must_use]
    pub fn only_to_ask(self) -> Self {
        Self { only_ask: true, ..self }
    }

    /// The first that offers all of what `wanted` looks for.
    #[must_use]
    pub fn that(&self, wanted: impl Fn(Offers) -> bool) -> Option<Arc<dyn ClientHost>> {
        let offers = |host: &Arc<dyn ClientHost>| match (host.offers(), self.only_ask) {
            (offers, false) => offers,
            (Offers { forms, .. }, true) => Offers { forms, ..Offers::default() },
        };
        self.hosts.iter().find(|host| wanted(offers(host))).map(Arc::clone)
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.hosts.iter().map(|host| host.offers())).finish()
    }
}
