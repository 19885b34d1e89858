//! `PUT /sessions/{session_id}/mcp`

use axum::{Extension, Json};
use http::Method;
use wharf_protocol::SessionId;
use wharf_protocol::mcp::{McpServers, SetMcpServers};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::new("setMcp", Method::PUT, "/api/v1/sessions/{session_id}/mcp", set)
        .about("tools", "Give a session other MCP servers")
        .details("In place of those that clients gave it before; those of the configuration file stay. Servers that are in both lists go on running.")
        .scope(Scope::ToolsExecute)
        .param::<SessionId>("session_id")
        .body::<SetMcpServers>()
        .answers::<McpServers>(200, "The servers as they are now.")
        .fails(&CHANGE_FAILS)
}

async fn set(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    JsonBody(request): JsonBody<SetMcpServers>,
) -> Result<Json<McpServers>> {
    principal.access.set_mcp(&path.session_id, request.mcp_servers).await?;
    Ok(Json(principal.access.mcp(&path.session_id).await?))
}
