//! `GET /sessions/{session_id}/permissions`

use axum::Json;
use axum::extract::State;
use wharf_protocol::SessionId;
use wharf_protocol::rest::Permissions;

use super::CHANGE_FAILS;
use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::InSession;

pub(super) fn operation() -> Operation {
    Operation::get("listPermissions", "/api/v1/sessions/{session_id}/permissions", permissions)
        .about("permissions", "The open questions of a session")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Permissions>(200, "All of them.")
        .fails(&CHANGE_FAILS)
}

async fn permissions(State(app): State<App>, Params(path): Params<InSession>) -> Result<Json<Permissions>> {
    Ok(Json(app.engine.permissions(&path.session_id).await?))
}
