//! `GET /sessions/{session_id}`

use axum::Json;
use axum::extract::State;
use wharf_protocol::{ErrorCode, Session, SessionId};

use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::InSession;

pub(super) fn operation() -> Operation {
    Operation::get("getSession", "/api/v1/sessions/{session_id}", get)
        .about("sessions", "One session")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Session>(200, "The session.")
        .fails(&[ErrorCode::SessionNotFound])
}

async fn get(State(app): State<App>, Params(path): Params<InSession>) -> Result<Json<Session>> {
    Ok(Json(app.engine.session(&path.session_id).await?))
}
