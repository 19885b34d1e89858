//! `GET /sessions/{session_id}/mcp`

use axum::Json;
use axum::extract::State;
use wharf_protocol::mcp::McpServers;
use wharf_protocol::{ErrorCode, SessionId};

use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::InSession;

pub(super) fn operation() -> Operation {
    Operation::get("getMcp", "/api/v1/sessions/{session_id}/mcp", mcp)
        .about("tools", "The MCP servers of a session, and how they are")
        .details("Does not start them. Variables, headers and arguments are never shown.")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<McpServers>(200, "Those that a client gave the session, then those of the configuration file.")
        .fails(&[ErrorCode::SessionNotFound])
}

async fn mcp(State(app): State<App>, Params(path): Params<InSession>) -> Result<Json<McpServers>> {
    Ok(Json(app.engine.mcp(&path.session_id).await?))
}
