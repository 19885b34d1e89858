//! `GET /sessions/{session_id}/turns/{turn_id}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use wharf_protocol::{ErrorCode, SessionId, Turn, TurnId};

use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;

#[derive(Debug, Deserialize)]
struct Path {
    session_id: SessionId,
    turn_id: TurnId,
}

pub(super) fn operation() -> Operation {
    Operation::get("getTurn", "/api/v1/sessions/{session_id}/turns/{turn_id}", turn)
        .about("turns", "One turn")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .param::<TurnId>("turn_id")
        .answers::<Turn>(200, "The turn.")
        .fails(&[ErrorCode::SessionNotFound, ErrorCode::TurnNotFound])
}

async fn turn(State(app): State<App>, Params(path): Params<Path>) -> Result<Json<Turn>> {
    Ok(Json(app.engine.turn(&path.session_id, &path.turn_id).await?))
}
