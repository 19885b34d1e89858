//! `GET /sessions/{session_id}/queue`

use axum::Json;
use axum::extract::State;
use wharf_protocol::SessionId;
use wharf_protocol::rest::Queue;

use super::CHANGE_FAILS;
use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::InSession;

pub(super) fn operation() -> Operation {
    Operation::get("getQueue", "/api/v1/sessions/{session_id}/queue", queue)
        .about("prompts", "The prompts that wait, next first")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Queue>(200, "The queue.")
        .fails(&CHANGE_FAILS)
}

async fn queue(State(app): State<App>, Params(path): Params<InSession>) -> Result<Json<Queue>> {
    Ok(Json(app.engine.queue(&path.session_id).await?))
}
