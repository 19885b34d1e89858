//! `PATCH /sessions/{session_id}`

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{ErrorCode, Session, SessionId};

use super::CHANGE_FAILS;
use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};

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
    State(app): State<App>,
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    JsonBody(change): JsonBody<UpdateSession>,
) -> Result<Json<Session>> {
    Ok(Json(app.engine.update_session(&path.session_id, change, &principal.caller).await?))
}
