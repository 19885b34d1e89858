//! `GET /sessions/{session_id}/queue`

use axum::{Extension, Json};
use wharf_protocol::SessionId;
use wharf_protocol::rest::Queue;

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("getQueue", "/api/v1/sessions/{session_id}/queue", queue)
        .about("prompts", "The prompts that wait, next first")
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .answers::<Queue>(200, "The queue.")
        .fails(&CHANGE_FAILS)
}

async fn queue(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<Queue>> {
    Ok(Json(principal.access.queue(&path.session_id).await?))
}
