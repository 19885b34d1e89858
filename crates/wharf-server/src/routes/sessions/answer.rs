//! `POST /sessions/{session_id}/permissions/{permission_id}`: the answer to a question of this session.

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::rest::{AnswerPermission, PermissionAnswered};
use wharf_protocol::{ErrorCode, PermissionId, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

#[derive(Debug, Deserialize)]
struct Path {
    session_id: SessionId,
    permission_id: PermissionId,
}

pub(super) fn operation() -> Operation {
    Operation::post("answerSessionPermission", "/api/v1/sessions/{session_id}/permissions/{permission_id}", answer)
        .about("permissions", "Answer a permission of one session")
        .scope(Scope::PermissionsAnswer)
        .param::<SessionId>("session_id")
        .param::<PermissionId>("permission_id")
        .body::<AnswerPermission>()
        .answers::<PermissionAnswered>(200, "This answer counts.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::PermissionNotFound, ErrorCode::AlreadyResolved])
}

async fn answer(
    Extension(principal): Asker,
    Params(path): Params<Path>,
    JsonBody(answer): JsonBody<AnswerPermission>,
) -> Result<Json<PermissionAnswered>> {
    let done = principal.access.answer(Some(&path.session_id), &path.permission_id, answer).await?;
    Ok(Json(done))
}
