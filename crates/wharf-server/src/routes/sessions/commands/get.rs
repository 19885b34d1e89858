//! `GET /sessions/{session_id}/commands/{command_id}`

use axum::{Extension, Json};
use wharf_protocol::{Command, CommandId, ErrorCode, SessionId};

use super::InCommand;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::Asker;
use crate::routes::sessions::CHANGE_FAILS;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getCommand", "/api/v1/sessions/{session_id}/commands/{command_id}", get)
        .about("commands", "One background command")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .param::<CommandId>("command_id")
        .answers::<Command>(200, "The command.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::CommandNotFound])
}

async fn get(Extension(principal): Asker, Params(path): Params<InCommand>) -> Result<Json<Command>> {
    Ok(Json(principal.access.command(&path.session_id, &path.command_id).await?))
}
