//! `PATCH /sessions/{session_id}/queue/{prompt_id}`

use axum::{Extension, Json};
use http::Method;
use wharf_protocol::rest::{Queue, UpdateQueued};
use wharf_protocol::{ErrorCode, MessageId, SessionId};

use super::CHANGE_FAILS;
use super::withdraw::InQueue;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::new("reprioritisePrompt", Method::PATCH, "/api/v1/sessions/{session_id}/queue/{prompt_id}", update)
        .about("prompts", "Change the priority of a queued prompt")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .param::<MessageId>("prompt_id")
        .body::<UpdateQueued>()
        .answers::<Queue>(200, "The queue as it is now.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::PromptNotFound])
}

async fn update(
    Extension(principal): Asker,
    Params(path): Params<InQueue>,
    JsonBody(change): JsonBody<UpdateQueued>,
) -> Result<Json<Queue>> {
    let InQueue { session_id, prompt_id } = path;
    Ok(Json(principal.access.reprioritise(&session_id, &prompt_id, change.priority).await?))
}
