//! `POST /sessions/{session_id}/compact`

use axum::{Extension, Json};
use http::StatusCode;
use wharf_protocol::rest::{CompactAnswer, CompactSession};
use wharf_protocol::{ErrorCode, Scope, SessionId};

use super::CHANGE_FAILS;
use crate::error::Result;
use crate::extract::{OptionalBody, Params};
use crate::route::Operation;
use crate::routes::{Asker, InSession};

pub(super) fn operation() -> Operation {
    Operation::post("compactSession", "/api/v1/sessions/{session_id}/compact", compact)
        .about("messages", "Have the model sum up what was said")
        .details(
            "Answers once the wish is on the log: `context.compacting`. From `context.compacted` on the model is shown its summary in \
             place of what is older; the log keeps everything. `context.compaction_failed` says why nothing came of it. The session is \
             busy meanwhile: prompts wait, a cancel ends it. While a turn runs, and where there is nothing yet to sum up, it is refused.",
        )
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .optional_body::<CompactSession>()
        .answers::<CompactAnswer>(202, "The model is being asked.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::SessionBusy, ErrorCode::PayloadTooLarge])
}

async fn compact(
    Extension(principal): Asker,
    Params(path): Params<InSession>,
    OptionalBody(request): OptionalBody<CompactSession>,
) -> Result<(StatusCode, Json<CompactAnswer>)> {
    let answer = principal.access.compact(&path.session_id, request).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
