//! The MCP servers of sessions, as transports and embedded clients ask for them.

use std::sync::Arc;

use tokio::sync::watch;
use wharf_protocol::mcp::McpServers;
use wharf_protocol::{McpServer, SessionId, ToolSpec};

use super::Access;
use crate::EngineError;
use crate::live::Shared;
use crate::mcp::READY_LIMIT;
use crate::request::Request;

impl Access {
    /// The tools of one session's agent, those of its MCP servers and of its clients included, which are waited for.
    pub async fn tools_of(&self, session: &SessionId) -> Result<Arc<[Arc<ToolSpec>]>, EngineError> {
        self.shared.look(session, |_| ()).await?;
        if let Some(set) = self.shared.mcp.set(session) {
            set.settled(READY_LIMIT).await;
        }
        self.shared.clients.settled(session).await;
        self.shared.look(session, |core| core.tools()).await
    }

    /// How the MCP servers of a session are.
    pub async fn mcp(&self, session: &SessionId) -> Result<McpServers, EngineError> {
        self.session(session).await?;
        Ok(McpServers { session_id: session.clone(), servers: self.shared.mcp.states(session).await })
    }

    /// Gives a session these MCP servers in place of those that a client gave it before.
    pub async fn set_mcp(&self, session: &SessionId, servers: Vec<McpServer>) -> Result<(), EngineError> {
        check_mcp(&servers)?;
        self.shared.ask(session, |reply| Request::Mcp { servers, reply }).await
    }

    /// Changes whenever a server of the session does, as long as the session is in use; `None` where it is not, or has none.
    #[must_use]
    pub fn watch_mcp(&self, session: &SessionId) -> Option<watch::Receiver<u64>> {
        self.shared.mcp.set(session).map(|set| set.changes())
    }
}

/// Whether a session may have these servers. The error has the place in the list and the reason: transports put their own name of the list before it.
pub fn check_mcp(servers: &[McpServer]) -> Result<(), EngineError> {
    wharf_mcp::check(servers).map_err(|bad| EngineError::Invalid { field: "mcp_servers", reason: bad.to_string() })
}

/// Removes the MCP servers of sessions that are gone: a crash may have come between.
pub(super) async fn forget_leftovers(shared: &Arc<Shared>) {
    for session in shared.mcp.leftovers().await {
        if matches!(shared.store.session(&session).await, Ok(None)) {
            shared.mcp.forget(&session).await;
        }
    }
}
