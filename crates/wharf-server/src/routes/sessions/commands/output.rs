//! `GET /sessions/{session_id}/commands/{command_id}/output`: a piece of it, from a byte on; waits for more where it is asked to.

use axum::{Extension, Json};
use wharf_protocol::command::{CommandOutput, CommandOutputQuery};
use wharf_protocol::{CommandId, ErrorCode, SessionId};

use super::InCommand;
use crate::error::Result;
use crate::extract::{Params, QueryOf};
use crate::route::Operation;
use crate::routes::Asker;
use crate::routes::sessions::CHANGE_FAILS;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::get("readCommandOutput", "/api/v1/sessions/{session_id}/commands/{command_id}/output", output)
        .about("commands", "What a command has put out")
        .details(
            "Any number of readers may follow a command, each from an offset of its own: ask again with `next_offset` and \
             `wait_ms`. The newest bytes are kept, also after the command's end and after a crash of the server.",
        )
        .scope(Scope::SessionsRead)
        .param::<SessionId>("session_id")
        .param::<CommandId>("command_id")
        .query::<CommandOutputQuery>()
        .answers::<CommandOutput>(200, "A piece of it; empty where there is nothing new.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::CommandNotFound])
}

async fn output(
    Extension(principal): Asker,
    Params(path): Params<InCommand>,
    QueryOf(query): QueryOf<CommandOutputQuery>,
) -> Result<Json<CommandOutput>> {
    Ok(Json(principal.access.command_output(&path.session_id, &path.command_id, query).await?))
}
