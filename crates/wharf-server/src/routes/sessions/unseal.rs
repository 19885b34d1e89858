//! `POST /sessions/{session_id}/unseal`

use axum::{Extension, Json};
use wharf_protocol::{Session, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::Params;
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("unsealSession", "/api/v1/sessions/{session_id}/unseal", unseal)
        .about("sessions", "Take a sealed session up again")
        .details(
            "A session is sealed when the server died three times in a row while it took the session up, or when what is \
             stored of it cannot be read. Where that is still so, it is sealed again: `sealed` of the answer says why. \
             A session that is not sealed is left as it is.",
        )
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .answers::<Session>(200, "The session as it is now.")
        .fails(&CHANGE_FAILS)
}

async fn unseal(Extension(principal): Asker, Params(path): Params<InSession>) -> Result<Json<Session>> {
    Ok(Json(principal.access.unseal_session(&path.session_id).await?))
}
