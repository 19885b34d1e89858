//! `POST /permissions/{permission_id}`: the answer to a question. The first one counts.

use axum::{Extension, Json};
use serde::Deserialize;
use wharf_protocol::rest::{AnswerPermission, PermissionAnswered};
use wharf_protocol::{ErrorCode, PermissionId};

use crate::error::Result;
use crate::extract::{JsonBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

#[derive(Debug, Deserialize)]
struct Path {
    permission_id: PermissionId,
}

pub(crate) fn operation() -> Operation {
    Operation::post("answerPermission", "/api/v1/permissions/{permission_id}", answer)
        .about("permissions", "Answer a permission")
        .scope(Scope::PermissionsAnswer)
        .param::<PermissionId>("permission_id")
        .body::<AnswerPermission>()
        .answers::<PermissionAnswered>(200, "This answer counts.")
        .fails(&[ErrorCode::PermissionNotFound, ErrorCode::AlreadyResolved])
}

async fn answer(
    Extension(principal): Asker,
    Params(path): Params<Path>,
    JsonBody(answer): JsonBody<AnswerPermission>,
) -> Result<Json<PermissionAnswered>> {
    Ok(Json(principal.access.answer(None, &path.permission_id, answer).await?))
}
