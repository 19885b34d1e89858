//! `GET /sessions/{session_id}/permissions`

use axum::{Extension, Json};
use wharf_protocol::SessionId;
use wharf_protocol::rest::Permissions;

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("listPermissions", "/api/v1/sessions/{session_id}/permissions", permissions)
        .about("permissions", "The open questions of a session")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Permissions>(200, "All of them.")
        .fails(&CHANGE_FAILS)
}

async fn permissions(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<Permissions>> {
    Ok(Json(principal.access.permissions(&path.session_id).await?))
}
