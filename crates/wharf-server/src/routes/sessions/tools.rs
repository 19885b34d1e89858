//! `GET /sessions/{session_id}/tools`

use axum::{Extension, Json};
use wharf_protocol::rest::ToolList;
use wharf_protocol::{SessionId, ToolSpec};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("listSessionTools", "/api/v1/sessions/{session_id}/tools", tools)
        .about("tools", "The tools of one session, those of its MCP servers included")
        .details("Starts the session's MCP servers where they do not run, and waits up to 15 s for them.")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<ToolList>(200, "What its agent has.")
        .fails(&CHANGE_FAILS)
}

async fn tools(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<ToolList>> {
    let specs = principal.access.tools_of(&path.session_id).await?;
    let tools: Vec<ToolSpec> = specs.iter().map(|spec| ToolSpec::clone(spec)).collect();
    Ok(Json(ToolList { total: tools.len(), tools }))
}
