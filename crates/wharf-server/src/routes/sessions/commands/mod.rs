//! `/sessions/{session_id}/commands`: what runs in the background.

mod get;
mod input;
mod list;
mod output;
mod resize;
mod stop;

use serde::Deserialize;
use wharf_protocol::{CommandId, SessionId};

use crate::route::Operation;

/// A path to one command.
#[derive(Debug, Deserialize)]
struct InCommand {
    session_id: SessionId,
    command_id: CommandId,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        list::operation(),
        get::operation(),
        output::operation(),
        input::operation(),
        resize::operation(),
        stop::operation(),
    ]
}
