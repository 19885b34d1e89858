//! `DELETE /sessions/{session_id}`

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use wharf_protocol::SessionId;
use wharf_protocol::rest::SessionDeletedBody;

use super::CHANGE_FAILS;
use crate::app::App;
use crate::auth::Scope;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};

pub(super) fn operation() -> Operation {
    Operation::new("deleteSession", Method::DELETE, "/api/v1/sessions/{session_id}", delete)
        .about("sessions", "End a session and remove its log")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .answers::<SessionDeletedBody>(200, "It is gone; its id is not given out again.")
        .fails(&CHANGE_FAILS)
}

async fn delete(
    State(app): State<App>,
    Extension(principal): Asker,
    Params(path): Params<InSession>,
) -> Result<Json<SessionDeletedBody>> {
    app.engine.delete_session(&path.session_id, &principal.caller).await?;
    Ok(Json(SessionDeletedBody { status: "deleted".to_owned(), session_id: path.session_id }))
}
