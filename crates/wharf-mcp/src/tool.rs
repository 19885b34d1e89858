//! A tool of a server, as one of ours.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{CallOutcome, ToolError, ToolKind, ToolSpec};

use crate::catalogue::RemoteTool;
use crate::config::Checked;
use crate::life::CallError;
use crate::server::Handle;
use wharf_foreign::visible;
use wharf_tools::remote;
use wharf_tools::{CallContext, Tool};

/// How long a call waits for its server.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const ERROR_MAX_BYTES: usize = 8 << 10;

pub(crate) struct McpTool {
    pub(crate) spec: Arc<ToolSpec>,
    pub(crate) server: Arc<Checked>,
    /// What its server calls it.
    pub(crate) remote: String,
    pub(crate) handle: Arc<Handle>,
}

/// `is_trusted`: the tool is what the server listed first.
pub(crate) fn spec(name: String, remote: &RemoteTool, server: &Checked, is_trusted: bool, timeout_ms: u64) -> ToolSpec {
    let server_name = &server.name;
    let description = match (&remote.title, remote.description.as_str()) {
        (None, "") => format!("{} of the MCP server {server_name}", visible::line(&remote.name, 80)),
        (Some(title), "") => title.clone(),
        (_, description) => description.to_owned(),
    };
    ToolSpec {
        name,
        description,
        category: "mcp".to_owned(),
        kind: if remote.open_world && remote.read_only { ToolKind::Fetch } else { ToolKind::Other },
        source: ToolSource::Mcp,
        // A server's own word is believed only where the user says so, and not where it says something else later.
        read_only: remote.read_only && server.trust_annotations && is_trusted,
        subject: None,
        parameters: remote.schema.clone(),
        timeout_ms,
    }
}

#[async_trait]
impl Tool for McpTool {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        // Its server would refuse what has one meaning all the same.
        let arguments = remote::fitted(&self.spec.parameters, arguments);
        let work = async {
            self.handle.connected(CONNECT_LIMIT).await.map_err(CallError::Lost)?;
            self.handle.call(self.remote.clone(), arguments, context.progress.clone()).await
        };
        let result = context.unless_cancelled(work).await?.map_err(|error| self.failed(&error))?;
        remote::outcome(&result, &context).await
    }
}

impl McpTool {
    fn failed(&self, error: &CallError) -> ToolError {
        let server = &self.server.name;
        ToolError::Failed(match error {
            CallError::Lost(why) => {
                format!("the MCP server {server} does not answer: {}", self.server.redacted(why))
            }
            CallError::Refused(error) => {
                let message = visible::shortened(visible::text(&error.message), ERROR_MAX_BYTES);
                format!("the MCP server {server} refused the call: {message} ({})", error.code)
            }
        })
    }
}
