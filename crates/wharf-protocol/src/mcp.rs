//! MCP servers of a session: what a client passes, and what is shown of them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// An MCP server that a session is to have. What it holds may be secret: it is kept apart from the log, and never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// 1 to 64 characters, unique in the session. Its tools are named `mcp__NAME__TOOL`.
    pub name: String,
    #[serde(default, rename = "type", skip_serializing_if = "McpTransport::is_stdio")]
    pub transport: McpTransport,
    /// `stdio`: the program, by its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// `stdio`: variables beside those that every command gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<NamedValue>,
    /// `http` and `sse`: where it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<NamedValue>,
    /// Tools that the server calls read-only run without a question, like our own reads.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trust_annotations: bool,
}

/// A variable or header.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// A program that is started here.
    #[default]
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP with server-sent events, the older way.
    Sse,
}

impl McpTransport {
    fn is_stdio(&self) -> bool {
        *self == Self::Stdio
    }
}

/// Names only: the rest may be secret.
impl std::fmt::Debug for McpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer")
            .field("name", &self.name)
            .field("type", &self.transport)
            .field("env", &self.env)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NamedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// Who gave a session an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpSource {
    /// A client, for this session.
    Session,
    /// The configuration file, for every session.
    Config,
}

/// How an MCP server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpStatus {
    /// It is being started or reached, and asked for its tools.
    Connecting,
    Connected,
    /// It died or could not be reached; it is tried again in a moment.
    Restarting,
    /// It was tried often enough. A call to one of its tools tries again.
    Failed,
    /// The session is not in use at the moment: the server is started when it is.
    Stopped,
}

/// An MCP server of a session, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct McpServerState {
    pub name: String,
    #[serde(rename = "type")]
    pub transport: McpTransport,
    pub source: McpSource,
    pub status: McpStatus,
    /// The program, or the address without user, password and query.
    pub target: String,
    /// What the server calls itself, and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The names of its tools, as models and rules have them.
    pub tools: Vec<String>,
    /// What of its tools could not be taken over, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why it does not work, or why it was started again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The end of what it wrote to its standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
}

/// The MCP servers of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct McpServers {
    pub session_id: SessionId,
    pub servers: Vec<McpServerState>,
}

/// The MCP servers that a session is to have from here on, beside those of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMcpServers {
    pub mcp_servers: Vec<McpServer>,
}
