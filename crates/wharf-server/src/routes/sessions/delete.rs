//! `DELETE /sessions/{session_id}`

use axum::{Extension, Json};
use http::Method;
use wharf_protocol::SessionId;
use wharf_protocol::rest::SessionDeletedBody;

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::new("deleteSession", Method::DELETE, "/api/v1/sessions/{session_id}", delete)
        .about("sessions", "End a session and remove its log")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .answers::<SessionDeletedBody>(200, "It is gone; its id is not given out again.")
        .fails(&CHANGE_FAILS)
}

async fn delete(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<SessionDeletedBody>> {
    principal.access.delete_session(&path.session_id).await?;
    Ok(Json(SessionDeletedBody { status: "deleted".to_owned(), session_id: path.session_id }))
}
