//! `POST /sessions/{session_id}/fork`

use axum::{Extension, Json};
use wharf_protocol::rest::ForkSession;
use wharf_protocol::{ErrorCode, Session, SessionId};

use crate::error::Result;
use crate::extract::{OptionalBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("forkSession", "/api/v1/sessions/{session_id}/fork", fork)
        .about("sessions", "Copy a session, with its conversation up to an event")
        .details(
            "The fork is a session of its own, with the same settings and MCP servers. The session itself is not touched and may \
             be busy. A turn that is open at that event does not run again in the fork: it ends as interrupted there. Queued \
             prompts, background commands and remembered answers to permissions are not taken over.",
        )
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .optional_body::<ForkSession>()
        .answers::<Session>(200, "The fork; `forked_from` names the session and the event.")
        .fails(&[
            ErrorCode::SessionNotFound,
            ErrorCode::AlreadyExists,
            ErrorCode::CursorAhead,
            ErrorCode::CursorExpired,
            ErrorCode::SessionDamaged,
        ])
}

async fn fork(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    OptionalBody(request): OptionalBody<ForkSession>,
) -> Result<Json<Session>> {
    Ok(Json(principal.access.fork_session(&path.session_id, request).await?))
}
