//! `POST /tools/{name}/execute`: one call on a client's behalf, through the session's policy, on its log.

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::ErrorCode;
use wharf_protocol::rest::{ExecuteTool, ToolExecuted};

use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

#[derive(Debug, Deserialize)]
struct Path {
    name: String,
}

pub(super) fn operation() -> Operation {
    Operation::post("executeTool", "/api/v1/tools/{name}/execute", execute)
        .about("tools", "Run one tool in a session")
        .details("Goes through the session's policy and onto its log; answers when the call has ended.")
        .scope(Scope::ToolsExecute)
        .param::<String>("name")
        .body::<ExecuteTool>()
        .answers::<ToolExecuted>(200, "The call has ended, well or not.")
        .fails(&[
            ErrorCode::ToolNotFound,
            ErrorCode::SessionNotFound,
            ErrorCode::SessionBusy,
            ErrorCode::Conflict,
            ErrorCode::MaxSessionsReached,
            ErrorCode::Timeout,
        ])
}

async fn execute(
    Extension(principal): Asker,
    Params(path): Params<Path>,
    JsonBody(request): JsonBody<ExecuteTool>,
) -> Result<Json<ToolExecuted>> {
    Ok(Json(principal.access.execute_tool(&path.name, request).await?))
}
