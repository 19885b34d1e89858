//! The methods of the protocol, ours among them: each name stands here, once, with what it takes.

use wharf_protocol::Scope;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Initialize,
    Authenticate,
    Logout,
    New,
    Load,
    Resume,
    List,
    Delete,
    Prompt,
    SetMode,
    SetConfigOption,
    Close,
    /// Our extension: a session's updates after an event that the client has seen.
    Attach,
    /// Our extension, for our bridge: a copy of a session.
    Fork,
}

impl Asked {
    const ALL: [(&'static str, Asked); 14] = [
        ("initialize", Self::Initialize),
        ("authenticate", Self::Authenticate),
        ("logout", Self::Logout),
        ("session/new", Self::New),
        ("session/load", Self::Load),
        ("session/resume", Self::Resume),
        ("session/list", Self::List),
        ("session/delete", Self::Delete),
        ("session/prompt", Self::Prompt),
        ("session/set_mode", Self::SetMode),
        ("session/set_config_option", Self::SetConfigOption),
        ("session/close", Self::Close),
        ("_wharf/session/attach", Self::Attach),
        ("_wharf/session/fork", Self::Fork),
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, asked)| asked)
    }

    /// What it takes beside a connection, which takes [`Scope::SessionsRead`].
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::New | Self::Delete | Self::Prompt | Self::SetMode | Self::SetConfigOption | Self::Fork => {
                Some(Scope::SessionsWrite)
            }
            Self::Initialize | Self::Authenticate | Self::Logout => None,
            Self::Load | Self::Resume | Self::List | Self::Close | Self::Attach => None,
        }
    }
}

/// What a client says without waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Cancel,
    CancelRequest,
    /// An extension: the client's own tools may be others than before.
    ToolsChanged,
}

impl Said {
    /// Those that are not known are to be ignored.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "session/cancel" => Some(Self::Cancel),
            "$/cancel_request" => Some(Self::CancelRequest),
            "_tools_changed" => Some(Self::ToolsChanged),
            _ => None,
        }
    }
}

/// What we ask of a client, or tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    RequestPermission,
    ReadTextFile,
    WriteTextFile,
    CreateTerminal,
    TerminalOutput,
    WaitForTerminalExit,
    KillTerminal,
    ReleaseTerminal,
    CreateElicitation,
    /// An extension: which tools the client has of its own.
    DiscoverTools,
    /// An extension: one call of such a tool.
    CallTool,
    /// Told.
    SessionUpdate,
    /// Told.
    CancelRequest,
}

impl Ours {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::RequestPermission => "session/request_permission",
            Self::ReadTextFile => "fs/read_text_file",
            Self::WriteTextFile => "fs/write_text_file",
            Self::CreateTerminal => "terminal/create",
            Self::TerminalOutput => "terminal/output",
            Self::WaitForTerminalExit => "terminal/wait_for_exit",
            Self::KillTerminal => "terminal/kill",
            Self::ReleaseTerminal => "terminal/release",
            Self::CreateElicitation => "elicitation/create",
            Self::DiscoverTools => "_discover_tools",
            Self::CallTool => "_call_tool",
            Self::SessionUpdate => "session/update",
            Self::CancelRequest => "$/cancel_request",
        }
    }
}
