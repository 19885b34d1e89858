//! `DELETE /sessions/{session_id}/messages` and `/history`

use axum::{Extension, Json};
use http::Method;
use wharf_protocol::rest::MessagesCleared;
use wharf_protocol::{ErrorCode, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation(path: &'static str, id: &'static str) -> Operation {
    Operation::new(id, Method::DELETE, path, clear)
        .about("messages", "Clear the conversation: the model starts afresh, older events are removed")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .answers::<MessagesCleared>(200, "It is empty.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::SessionBusy])
}

async fn clear(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<MessagesCleared>> {
    principal.access.clear_messages(&path.session_id).await?;
    Ok(Json(MessagesCleared { status: "cleared".to_owned(), session_id: path.session_id }))
}
