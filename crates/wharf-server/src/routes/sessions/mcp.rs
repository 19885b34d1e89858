//! `GET /sessions/{session_id}/mcp`

use axum::{Extension, Json};
use wharf_protocol::mcp::McpServers;
use wharf_protocol::{ErrorCode, SessionId};

use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getMcp", "/api/v1/sessions/{session_id}/mcp", mcp)
        .about("tools", "The MCP servers of a session, and how they are")
        .details("Does not start them. Variables, headers and arguments are never shown.")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<McpServers>(200, "Those that a client gave the session, then those of the configuration file.")
        .fails(&[ErrorCode::SessionNotFound])
}

async fn mcp(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<McpServers>> {
    Ok(Json(principal.access.mcp(&path.session_id).await?))
}
