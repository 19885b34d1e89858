//! `GET /sessions/{session_id}/commands`

use axum::Json;
use axum::extract::State;
use wharf_protocol::SessionId;
use wharf_protocol::command::CommandList;

use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::InSession;
use crate::routes::sessions::CHANGE_FAILS;

pub(super) fn operation() -> Operation {
    Operation::get("listCommands", "/api/v1/sessions/{session_id}/commands", list)
        .about("commands", "The background commands of a session")
        .details("Those that run, and the last 16 that have ended, newest first. They are started by the tool `bash` with `background`.")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<CommandList>(200, "All of them.")
        .fails(&CHANGE_FAILS)
}

async fn list(State(app): State<App>, Params(path): Params<InSession>) -> Result<Json<CommandList>> {
    Ok(Json(app.engine.commands(&path.session_id).await?))
}
