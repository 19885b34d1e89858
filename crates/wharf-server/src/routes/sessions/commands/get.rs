//! `GET /sessions/{session_id}/commands/{command_id}`

use axum::Json;
use axum::extract::State;
use wharf_protocol::{Command, CommandId, ErrorCode, SessionId};

use super::InCommand;
use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::sessions::CHANGE_FAILS;

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

async fn get(State(app): State<App>, Params(path): Params<InCommand>) -> Result<Json<Command>> {
    Ok(Json(app.engine.command(&path.session_id, &path.command_id).await?))
}
