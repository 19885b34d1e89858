//! `POST /sessions/{session_id}/commands/{command_id}/input`

use axum::{Extension, Json};
use wharf_protocol::command::{CommandInput, CommandInputTaken};
use wharf_protocol::{CommandId, ErrorCode, SessionId};

use super::InCommand;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use crate::routes::sessions::CHANGE_FAILS;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("writeCommandInput", "/api/v1/sessions/{session_id}/commands/{command_id}/input", input)
        .about("commands", "Write to a command's input")
        .details(
            "For a command with a terminal, or one that was started with `input`. Up to 64 KiB may wait to be read by it; \
             then 503 until it has read.",
        )
        .scope(Scope::ToolsExecute)
        .param::<SessionId>("session_id")
        .param::<CommandId>("command_id")
        .body::<CommandInput>()
        .answers::<CommandInputTaken>(200, "It was passed on.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::CommandNotFound, ErrorCode::CommandClosed])
}

async fn input(
    Extension(principal): Asker,
    Params(path): Params<InCommand>,
    JsonBody(input): JsonBody<CommandInput>,
) -> Result<Json<CommandInputTaken>> {
    Ok(Json(principal.access.command_input(&path.session_id, &path.command_id, input).await?))
}
