//! `/sessions`

mod answer;
mod cancel;
mod clear;
mod commands;
mod compact;
mod context;
mod create;
mod delete;
mod events;
mod export;
mod fork;
mod get;
mod import;
mod list;
mod mcp;
mod messages;
mod permissions;
mod prompt;
mod prompt_stream;
mod queue;
mod reprioritise;
mod set_mcp;
mod timeline;
mod tools;
mod turn;
mod turns;
mod unseal;
mod update;
mod withdraw;

use wharf_protocol::ErrorCode;

use crate::route::Operation;

/// What every change of a session can meet: it is gone, it is in use elsewhere, it is sealed, or too many others are live.
const CHANGE_FAILS: [ErrorCode; 4] =
    [ErrorCode::SessionNotFound, ErrorCode::Conflict, ErrorCode::SessionSealed, ErrorCode::MaxSessionsReached];

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        create::operation(),
        list::operation(),
        get::operation(),
        update::operation(),
        delete::operation(),
        unseal::operation(),
        fork::operation(),
        export::operation(),
        import::operation(),
        prompt::operation(),
        prompt_stream::operation(),
        queue::operation(),
        withdraw::operation(),
        reprioritise::operation(),
        cancel::operation(),
        turns::operation(),
        turn::operation(),
        messages::operation("/api/v1/sessions/{session_id}/messages", "listMessages"),
        messages::operation("/api/v1/sessions/{session_id}/history", "listHistory"),
        clear::operation("/api/v1/sessions/{session_id}/messages", "clearMessages"),
        clear::operation("/api/v1/sessions/{session_id}/history", "clearHistory"),
        compact::operation(),
        context::operation(),
        events::operation(),
        timeline::operation(),
        mcp::operation(),
        set_mcp::operation(),
        tools::operation(),
        permissions::operation(),
        answer::operation(),
    ];
    operations.extend(commands::operations());
    operations
}
