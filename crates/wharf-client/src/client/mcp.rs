//! A session's MCP servers, and the tools that it has.

use reqwest::Method;
use wharf_protocol::mcp::{McpServers, SetMcpServers};
use wharf_protocol::rest::ToolList;
use wharf_protocol::{McpServer, SessionId};

use super::Client;
use crate::ClientError;
use crate::backend::Backend;
#[cfg(feature = "embedded")]
use crate::embedded::told;

impl Client {
    /// How the MCP servers of a session are. Starts none.
    pub async fn mcp(&self, session: &SessionId) -> Result<McpServers, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "mcp"])).await,
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.mcp(session).await.map_err(told),
        }
    }

    /// Gives a session these MCP servers in place of those that clients gave it before.
    pub async fn set_mcp(&self, session: &SessionId, mcp_servers: Vec<McpServer>) -> Result<McpServers, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request = remote.http.request(Method::PUT, &["sessions", session.as_str(), "mcp"]);
                remote.http.fetch(request.json(&SetMcpServers { mcp_servers })?).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.access.set_mcp(session, mcp_servers).await.map_err(told)?;
                embedded.access.mcp(session).await.map_err(told)
            }
        }
    }

    /// The tools of one session's agent, those of its MCP servers included, which are waited for.
    pub async fn session_tools(&self, session: &SessionId) -> Result<ToolList, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "tools"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                let specs = embedded.access.tools_of(session).await.map_err(told)?;
                let tools: Vec<_> = specs.iter().map(|spec| wharf_protocol::ToolSpec::clone(spec)).collect();
                Ok(ToolList { total: tools.len(), tools })
            }
        }
    }
}
