//! `POST /sessions/{session_id}/commands/{command_id}/resize`

use axum::{Extension, Json};
use wharf_protocol::command::CommandResized;
use wharf_protocol::{CommandId, ErrorCode, SessionId, TerminalSize};

use super::InCommand;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use crate::routes::sessions::CHANGE_FAILS;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("resizeCommand", "/api/v1/sessions/{session_id}/commands/{command_id}/resize", resize)
        .about("commands", "Change the size of a command's terminal")
        .scope(Scope::ToolsExecute)
        .param::<SessionId>("session_id")
        .param::<CommandId>("command_id")
        .body::<TerminalSize>()
        .answers::<CommandResized>(200, "Its programs are told.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::CommandNotFound, ErrorCode::CommandClosed])
}

async fn resize(
    Extension(principal): Asker,
    Params(path): Params<InCommand>,
    JsonBody(size): JsonBody<TerminalSize>,
) -> Result<Json<CommandResized>> {
    Ok(Json(principal.access.resize_command(&path.session_id, &path.command_id, size).await?))
}
