//! `GET /sessions/{session_id}/commands`

use axum::{Extension, Json};
use wharf_protocol::SessionId;
use wharf_protocol::command::CommandList;

use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::sessions::CHANGE_FAILS;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("listCommands", "/api/v1/sessions/{session_id}/commands", list)
        .about("commands", "The background commands of a session")
        .details("Those that run, and the last 16 that have ended, newest first. They are started by the tool `bash` with `background`.")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<CommandList>(200, "All of them.")
        .fails(&CHANGE_FAILS)
}

async fn list(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<CommandList>> {
    Ok(Json(principal.access.commands(&path.session_id).await?))
}
