//! `DELETE /sessions/{session_id}/queue/{prompt_id}`

use axum::{Extension, Json};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_protocol::{ErrorCode, MessageId, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::Asker;
use wharf_protocol::Scope;

/// A path to one queued prompt.
#[derive(Debug, Deserialize)]
pub(super) struct InQueue {
    pub(super) session_id: SessionId,
    pub(super) prompt_id: MessageId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PromptWithdrawnBody {
    /// `withdrawn`
    status: &'static str,
    session_id: SessionId,
    message_id: MessageId,
}

pub(super) fn operation() -> Operation {
    Operation::new("withdrawPrompt", Method::DELETE, "/api/v1/sessions/{session_id}/queue/{prompt_id}", withdraw)
        .about("prompts", "Take a prompt out of the queue")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .param::<MessageId>("prompt_id")
        .answers::<PromptWithdrawnBody>(200, "It will not run.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::PromptNotFound])
}

async fn withdraw(Extension(principal): Asker, Params(path): Params<InQueue>) -> Result<Json<PromptWithdrawnBody>> {
    principal.access.withdraw(&path.session_id, &path.prompt_id).await?;
    Ok(Json(PromptWithdrawnBody { status: "withdrawn", session_id: path.session_id, message_id: path.prompt_id }))
}
