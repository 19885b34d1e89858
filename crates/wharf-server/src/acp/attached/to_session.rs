//! What a client wants of a session.

use agent_client_protocol_schema::v1 as acp;
use wharf_protocol::{CallId, McpServer, MessageId, PermissionId, Seq};

use crate::acp::asking::ClientAnswer;
use crate::acp::directories::Directories;
use crate::acp::rpc::Id;

#[derive(Debug)]
pub(in crate::acp) enum ToSession {
    New {
        id: Id,
        directories: Directories,
        mcp: Vec<McpServer>,
    },
    /// Replays the conversation before it answers.
    Load {
        id: Id,
        directories: Directories,
        mcp: Vec<McpServer>,
    },
    /// From the present, or after an event that the client has seen.
    Attach {
        id: Id,
        after: Option<Seq>,
        directories: Directories,
        mcp: Vec<McpServer>,
    },
    Prompt {
        id: Id,
        blocks: Vec<acp::ContentBlock>,
        prompt_id: Option<MessageId>,
    },
    Cancel,
    SetMode {
        id: Id,
        mode_id: String,
    },
    SetOption {
        id: Id,
        config_id: String,
        value: acp::SessionConfigOptionValue,
    },
    Close {
        id: Id,
    },
    CancelRequest(Id),
    /// The client's own tools may be others.
    ToolsChanged,
    /// A call runs in this terminal of the client's.
    ShowTerminal {
        call_id: CallId,
        terminal_id: acp::TerminalId,
    },
    /// To a permission that it was asked for.
    Answered {
        permission_id: PermissionId,
        answer: ClientAnswer,
    },
}

impl ToSession {
    /// The request that may be taken back before it begins, if it is one.
    pub(super) fn request_id(&self) -> Option<&Id> {
        match self {
            Self::New { id, .. }
            | Self::Load { id, .. }
            | Self::Attach { id, .. }
            | Self::SetMode { id, .. }
            | Self::SetOption { id, .. }
            | Self::Close { id } => Some(id),
            Self::Prompt { .. }
            | Self::Cancel
            | Self::CancelRequest(_)
            | Self::ToolsChanged
            | Self::ShowTerminal { .. }
            | Self::Answered { .. } => None,
        }
    }
}
