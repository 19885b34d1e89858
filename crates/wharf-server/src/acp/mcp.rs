//! The MCP servers that an editor passes: read, checked, and watched while the session is in use.

use std::collections::HashMap;

use agent_client_protocol_schema::v1 as acp;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;
use wharf_engine::{Access, EngineError, check_mcp};
use wharf_protocol::Scope;
use wharf_protocol::mcp::{McpServer, McpServerState, McpStatus, McpTransport, NamedValue};

use super::connection::Context;
use super::rpc::{Params, RpcError};

const LIST: &str = "mcpServers";

/// The list, as it is in all three requests that open a session; `null` is an empty one.
#[derive(Deserialize)]
struct Listed {
    #[serde(default, rename = "mcpServers")]
    servers: Value,
}

/// Reads the servers of a request. What is wrong is named by its place; but first `context` has to allow that there are any.
pub(super) async fn servers(params: &Params, context: &Context) -> Result<Vec<McpServer>, RpcError> {
    let servers = match params.read::<Listed>()?.servers {
        Value::Null => return Ok(Vec::new()),
        Value::Array(servers) => servers,
        _ => return Err(RpcError::invalid_params(format!("{LIST}: must be a list"))),
    };
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    // A server is a program that runs here, or an address that this machine asks.
    context.app.gate.allow(&context.principal, Scope::ToolsExecute, None).await?;
    let read = |(at, server): (usize, &Value)| {
        server_of(server).map_err(|(field, reason)| RpcError::invalid_params(format!("{LIST}[{at}]{field}: {reason}")))
    };
    let servers: Vec<McpServer> = servers.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    check_mcp(&servers).map_err(|error| match error {
        EngineError::Invalid { reason, .. } => RpcError::invalid_params(format!("{LIST}{reason}")),
        other => other.into(),
    })?;
    Ok(servers)
}

type Bad = (String, String);

fn server_of(value: &Value) -> Result<McpServer, Bad> {
    let Value::Object(fields) = value else { return Err((String::new(), "must be an object".to_owned())) };
    // The first transport has no `type`.
    let transport = match fields.get("type").map(|kind| kind.as_str().unwrap_or("no text")) {
        None | Some("stdio") => McpTransport::Stdio,
        Some("http") => McpTransport::Http,
        Some("sse") => McpTransport::Sse,
        Some(other) => {
            let reason = format!("{other:?} is not supported; there are http, sse, and none for a program");
            return Err((".type".to_owned(), reason));
        }
    };
    let server = McpServer { name: text(fields, "name")?, transport, ..McpServer::default() };
    Ok(match transport {
        McpTransport::Stdio => McpServer {
            command: Some(text(fields, "command")?.into()),
            args: list(fields, "args", |arg| arg.as_str().map(str::to_owned))?,
            env: list(fields, "env", named)?,
            ..server
        },
        McpTransport::Http | McpTransport::Sse => {
            McpServer { url: Some(text(fields, "url")?), headers: list(fields, "headers", named)?, ..server }
        }
    })
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Bad> {
    let found = fields.get(name).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| (format!(".{name}"), "must be a text".to_owned()))
}

fn list<T>(fields: &Map<String, Value>, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, Bad> {
    let items = match fields.get(name) {
        Some(Value::Array(items)) => items,
        Some(Value::Null) => return Ok(Vec::new()),
        _ => return Err((format!(".{name}"), "must be a list".to_owned())),
    };
    let read = |(at, item): (usize, &Value)| {
        read(item).ok_or_else(|| (format!(".{name}[{at}]"), "is not what it should be".to_owned()))
    };
    items.iter().enumerate().map(read).collect()
}

fn named(value: &Value) -> Option<NamedValue> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    Some(NamedValue { name: text("name")?, value: text("value")? })
}

/// The servers of one session, for a client that wants to know when one does not work.
#[derive(Default)]
pub(super) struct Watching {
    changes: Option<watch::Receiver<u64>>,
    /// Those that the client was told about.
    told: HashMap<String, McpStatus>,
}

impl Watching {
    /// Begins to watch where the session is in use and has servers.
    pub(super) fn begin(&mut self, access: &Access, session: &wharf_protocol::SessionId) {
        if self.changes.is_none() {
            self.changes = access.watch_mcp(session);
            if let Some(changes) = &mut self.changes {
                changes.mark_changed();
            }
        }
    }

    /// Waits until a server's state changes. Safe to drop; never ends where nothing is watched.
    pub(super) async fn changed(&mut self) {
        if let Some(changes) = &mut self.changes {
            if changes.changed().await.is_ok() {
                return;
            }
            // The session has left the memory.
            self.changes = None;
        }
        std::future::pending::<()>().await;
    }

    /// What the client is to be told: each failure once.
    pub(super) fn notices(&mut self, servers: &[McpServerState]) -> Vec<acp::SessionUpdate> {
        let mut notices = Vec::new();
        for server in servers {
            let is_failure = matches!(server.status, McpStatus::Failed | McpStatus::Restarting);
            let name = &server.name;
            let (severity, title) = if is_failure && !self.told.contains_key(name) {
                self.told.insert(name.clone(), server.status);
                (acp::NoticeSeverity::Warning, format!("The MCP server {name} is not connected"))
            } else if server.status == McpStatus::Connected && self.told.remove(name).is_some() {
                (acp::NoticeSeverity::Info, format!("The MCP server {name} is connected again"))
            } else {
                continue;
            };
            let notice = acp::Notice::new(severity, title);
            let notice = match &server.error {
                Some(error) => notice.description(error.clone()),
                None => notice,
            };
            notices.push(acp::SessionUpdate::Notice(notice));
        }
        notices
    }
}
