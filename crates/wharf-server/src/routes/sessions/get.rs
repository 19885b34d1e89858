//! `GET /sessions/{session_id}`

use axum::{Extension, Json};
use wharf_protocol::{ErrorCode, Session, SessionId};

use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getSession", "/api/v1/sessions/{session_id}", get)
        .about("sessions", "One session")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Session>(200, "The session.")
        .fails(&[ErrorCode::SessionNotFound])
}

async fn get(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<Session>> {
    Ok(Json(principal.access.session(&path.session_id).await?))
}
