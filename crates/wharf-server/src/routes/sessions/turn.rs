//! `GET /sessions/{session_id}/turns/{turn_id}`

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::{ErrorCode, SessionId, Turn, TurnId};

use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

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

async fn turn(Extension(principal): Asker, Params(path): Params<Path>) -> Result<Json<Turn>> {
    Ok(Json(principal.access.turn(&path.session_id, &path.turn_id).await?))
}
