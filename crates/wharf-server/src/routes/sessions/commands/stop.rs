//! `POST /sessions/{session_id}/commands/{command_id}/stop`: fine for one that has ended, too.

use axum::{Extension, Json};
use wharf_protocol::command::StopCommand;
use wharf_protocol::{Command, CommandId, ErrorCode, SessionId};

use super::InCommand;
use crate::error::Result;
use crate::extract::{OptionalBody, Params};
use crate::route::Operation;
use crate::routes::Asker;
use crate::routes::sessions::CHANGE_FAILS;
use wharf_protocol::Scope;

pub(super) fn operation() -> Operation {
    Operation::post("stopCommand", "/api/v1/sessions/{session_id}/commands/{command_id}/stop", stop)
        .about("commands", "Stop a command")
        .details("It and everything that it has started get 2 s to end, then they are killed. Its end is the event `command.ended`.")
        .scope(Scope::SessionsWrite)
        .param::<SessionId>("session_id")
        .param::<CommandId>("command_id")
        .optional_body::<StopCommand>()
        .answers::<Command>(200, "It has ended, or is being stopped.")
        .fails(&CHANGE_FAILS)
        .fails(&[ErrorCode::CommandNotFound])
}

async fn stop(
    Extension(principal): Asker,
    Params(path): Params<InCommand>,
    OptionalBody(StopCommand {}): OptionalBody<StopCommand>,
) -> Result<Json<Command>> {
    Ok(Json(principal.access.stop_command(&path.session_id, &path.command_id).await?))
}
