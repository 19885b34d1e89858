//! `PATCH /sessions/{session_id}`

use axum::{Extension, Json};
use http::Method;
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{ErrorCode, Session, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::new("updateSession", Method::PATCH, "/api/v1/sessions/{session_id}", update)
        .about("sessions", "Change a session's title, model or mode; archive it")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .body::<UpdateSession>()
        .answers::<Session>(200, "The session as it is now.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::ProviderError])
}

async fn update(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    JsonBody(change): JsonBody<UpdateSession>,
) -> Result<Json<Session>> {
    Ok(Json(principal.access.update_session(&path.session_id, change).await?))
}
