//! `POST /sessions/{session_id}/cancel`: fine on an idle session too.

use axum::{Extension, Json};
use wharf_protocol::rest::{Cancel, CancelAnswer};
use wharf_protocol::{ErrorCode, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{OptionalBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("cancel", "/api/v1/sessions/{session_id}/cancel", cancel)
        .about("prompts", "Cancel the running turn")
        .details("Answers once the wish is on the log: nothing of the turn starts after that. `force` also clears the queue.")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .optional_body::<Cancel>()
        .answers::<CancelAnswer>(200, "Nothing runs, or it is being stopped.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::TurnNotFound])
}

async fn cancel(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    OptionalBody(cancel): OptionalBody<Cancel>,
) -> Result<Json<CancelAnswer>> {
    Ok(Json(principal.access.cancel(&path.session_id, cancel).await?))
}
