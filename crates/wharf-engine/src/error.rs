//! Why the engine did not do what it was asked, and what every edge shows of it.

use serde_json::json;
use wharf_core::Rejected;
use wharf_protocol::permission::Resolution;
use wharf_protocol::{ApiError, CommandId, ErrorCode, MessageId, PermissionId, Seal, Seq, SessionId, TurnId};
use wharf_store::{AcquireError, AppendError, QueryError, ReadError, StoreError};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("session {0} not found")]
    SessionNotFound(SessionId),
    #[error("session {0} exists already, or existed")]
    SessionExists(SessionId),
    #[error("turn {0} not found")]
    TurnNotFound(TurnId),
    #[error("agent {name:?} not found; there are {}", .known.join(", "))]
    AgentNotFound { name: String, known: Vec<String> },
    #[error("tool {0:?} not found")]
    ToolNotFound(String),
    #[error("command {0} not found")]
    CommandNotFound(CommandId),
    #[error("command {command}: {reason}")]
    CommandClosed { command: CommandId, reason: &'static str },
    #[error("{max} background commands run already")]
    TooManyCommands { max: usize },
    /// The call that wanted something has ended or is being stopped.
    #[error("the call is over or being stopped")]
    CallOver,
    #[error("permission {0} is not open")]
    PermissionNotFound(PermissionId),
    #[error("no prompt {0} is waiting")]
    PromptNotFound(MessageId),
    /// A field of the request is not acceptable.
    #[error("{field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    /// A field of the request is larger than a limit allows.
    #[error("{field}: {reason}")]
    TooLarge { field: &'static str, reason: String },
    /// A line of an import is not what an export has there.
    #[error("line {line}: {reason}")]
    NotAnExport { line: u64, reason: String },
    #[error("a turn is running in session {0}")]
    Busy(SessionId),
    #[error("there is nothing yet that a summary could take the place of")]
    NothingToCompact,
    #[error("{limit} prompts are waiting already")]
    QueueFull { limit: usize },
    #[error("{max} sessions are live already")]
    TooManySessions { max: usize },
    #[error("id {0} was used for another prompt")]
    IdempotencyMismatch(MessageId),
    #[error("permission {permission_id} was answered already{}", .by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    AlreadyResolved { permission_id: PermissionId, resolution: Resolution, by: Option<String> },
    #[error("cursor {after} is ahead of the log, which ends at {last}")]
    CursorAhead { after: Seq, last: Seq },
    #[error("events up to {after} are no longer kept; the log begins at {first}")]
    CursorExpired { after: Seq, first: Seq },
    #[error("session {session} is in use by another process ({owner})")]
    HeldElsewhere { session: SessionId, owner: String },
    #[error("the model is not available: {0}")]
    Model(String),
    #[error("the server is stopping")]
    Stopping,
    /// More is waiting than the engine takes.
    #[error("too busy: {0}")]
    Overloaded(&'static str),
    #[error("the storage does not work: {0}")]
    Storage(StoreError),
    /// What is stored of this one session cannot be read.
    #[error("what is stored of session {session} is damaged: {reason}")]
    Damaged { session: SessionId, reason: String },
    /// It is not taken up until somebody unseals it.
    #[error("session {session} is sealed: {}", .seal.message)]
    Sealed { session: SessionId, seal: Box<Seal> },
    #[error("took longer than {ms} ms")]
    Timeout { ms: u64 },
    /// A bug of ours. The text is for the log, never for a client.
    #[error("internal error: {0}")]
    Internal(String),
}

impl EngineError {
    /// What a client is shown.
    #[must_use]
    pub fn to_api(&self) -> ApiError {
        let code = match self {
            Self::SessionNotFound(_) => ErrorCode::SessionNotFound,
            Self::SessionExists(_) => ErrorCode::AlreadyExists,
            Self::TurnNotFound(_) => ErrorCode::TurnNotFound,
            Self::AgentNotFound { .. } => ErrorCode::AgentNotFound,
            Self::ToolNotFound(_) => ErrorCode::ToolNotFound,
            Self::CommandNotFound(_) => ErrorCode::CommandNotFound,
            Self::CommandClosed { .. } => ErrorCode::CommandClosed,
            Self::TooManyCommands { .. } => ErrorCode::TooManyCommands,
            Self::CallOver | Self::NothingToCompact => ErrorCode::Conflict,
            Self::PermissionNotFound(_) => ErrorCode::PermissionNotFound,
            Self::PromptNotFound(_) => ErrorCode::PromptNotFound,
            Self::Invalid { .. } | Self::NotAnExport { .. } => ErrorCode::ValidationError,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Busy(_) => ErrorCode::SessionBusy,
            Self::QueueFull { .. } => ErrorCode::QueueFull,
            Self::TooManySessions { .. } => ErrorCode::MaxSessionsReached,
            Self::IdempotencyMismatch(_) => ErrorCode::IdempotencyMismatch,
            Self::AlreadyResolved { .. } => ErrorCode::AlreadyResolved,
            Self::CursorAhead { .. } => ErrorCode::CursorAhead,
            Self::CursorExpired { .. } => ErrorCode::CursorExpired,
            Self::HeldElsewhere { .. } => ErrorCode::Conflict,
            Self::Model(_) => ErrorCode::ProviderError,
            Self::Stopping | Self::Overloaded(_) => ErrorCode::Unavailable,
            Self::Storage(_) => ErrorCode::StorageUnavailable,
            Self::Damaged { .. } => ErrorCode::SessionDamaged,
            Self::Sealed { .. } => ErrorCode::SessionSealed,
            Self::Timeout { .. } => ErrorCode::Timeout,
            Self::Internal(_) => ErrorCode::InternalError,
        };
        let details = match self {
            Self::Invalid { field, reason } | Self::TooLarge { field, reason } => {
                Some(json!({ "field": field, "reason": reason }))
            }
            Self::NotAnExport { line, reason } => Some(json!({ "line": line, "reason": reason })),
            Self::QueueFull { limit } => Some(json!({ "limit": limit })),
            Self::TooManySessions { max } | Self::TooManyCommands { max } => Some(json!({ "max": max })),
            Self::AlreadyResolved { resolution, by, .. } => Some(json!({ "option": resolution, "by": by })),
            Self::CursorAhead { last, .. } => Some(json!({ "last_seq": last })),
            Self::CursorExpired { first, .. } => {
                Some(json!({ "first_seq": first, "start_after": first.0.saturating_sub(1) }))
            }
            Self::Sealed { seal, .. } => Some(json!(seal)),
            Self::AgentNotFound { known, .. } => Some(json!({ "known": known })),
            _ => None,
        };
        let message = match self {
            Self::Internal(_) => "internal error".to_owned(),
            // Paths and system errors of the store are for the log.
            Self::Storage(error) => format!("{}; nothing was accepted", trouble(error)),
            other => other.to_string(),
        };
        let error = ApiError::new(code, message);
        match details {
            Some(details) => error.with_details(details),
            None => error,
        }
    }

    /// The same error for the next one who asked.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::SessionNotFound(session) => Self::SessionNotFound(session.clone()),
            Self::HeldElsewhere { session, owner } => {
                Self::HeldElsewhere { session: session.clone(), owner: owner.clone() }
            }
            Self::AgentNotFound { name, known } => Self::AgentNotFound { name: name.clone(), known: known.clone() },
            Self::Invalid { field, reason } => Self::Invalid { field, reason: reason.clone() },
            Self::Stopping => Self::Stopping,
            Self::Overloaded(what) => Self::Overloaded(what),
            Self::Storage(error) => Self::Storage(error.clone()),
            Self::Damaged { session, reason } => Self::Damaged { session: session.clone(), reason: reason.clone() },
            Self::Sealed { session, seal } => Self::Sealed { session: session.clone(), seal: seal.clone() },
            other => Self::Internal(other.to_string()),
        }
    }

    pub(crate) fn from_rejected(session: &SessionId, rejected: Rejected) -> Self {
        match rejected {
            Rejected::Busy => Self::Busy(session.clone()),
            Rejected::NothingToCompact => Self::NothingToCompact,
            Rejected::QueueFull { limit } => Self::QueueFull { limit },
            Rejected::IdempotencyMismatch { message_id } => Self::IdempotencyMismatch(message_id),
            Rejected::UnknownPrompt { message_id } => Self::PromptNotFound(message_id),
            Rejected::UnknownTurn { turn_id } => Self::TurnNotFound(turn_id),
            Rejected::UnknownPermission { permission_id } => Self::PermissionNotFound(permission_id),
            Rejected::AlreadyResolved { permission_id, resolution, by } => {
                Self::AlreadyResolved { permission_id, resolution, by }
            }
            Rejected::UnknownTool { tool_name } => Self::ToolNotFound(tool_name),
            Rejected::UnknownCommand { command_id } => Self::CommandNotFound(command_id),
            Rejected::TooManyCommands { limit } => Self::TooManyCommands { max: limit },
            Rejected::CallOver => Self::CallOver,
            Rejected::Draining => Self::Stopping,
            Rejected::Deleted => Self::SessionNotFound(session.clone()),
        }
    }
}

/// What everybody may know of a store's trouble.
fn trouble(error: &StoreError) -> &'static str {
    match error {
        StoreError::Full(_) => "the disk is full",
        StoreError::ReadOnly(_) => "the disk is read-only",
        StoreError::Lost(_) => "the storage was deleted or replaced",
        StoreError::Corrupt(_) | StoreError::Damaged { .. } => "the storage is damaged",
        StoreError::Unavailable(_) | StoreError::TooNew { .. } | StoreError::Busy | StoreError::Closed => {
            "the storage does not work at the moment"
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Overloaded("the store has too much waiting"),
            StoreError::Closed => Self::Stopping,
            StoreError::Damaged { session, reason } => Self::Damaged { session, reason },
            StoreError::Full(_)
            | StoreError::ReadOnly(_)
            | StoreError::Lost(_)
            | StoreError::Corrupt(_)
            | StoreError::Unavailable(_)
            | StoreError::TooNew { .. } => Self::Storage(error),
        }
    }
}

impl From<AppendError> for EngineError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { session } => {
                Self::HeldElsewhere { session, owner: "another process wrote to it".to_owned() }
            }
            AppendError::Exists { session } => Self::SessionExists(session),
            AppendError::NotFound { session } => Self::SessionNotFound(session),
            AppendError::Store(store) => store.into(),
        }
    }
}

impl From<AcquireError> for EngineError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::NotFound { session } => Self::SessionNotFound(session),
            AcquireError::Held { session, owner } => Self::HeldElsewhere { session, owner },
            AcquireError::Store(store) => store.into(),
        }
    }
}

impl From<QueryError> for EngineError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadCursor => Self::Invalid { field: "cursor", reason: error.to_string() },
            QueryError::Store(store) => store.into(),
        }
    }
}

impl EngineError {
    pub(crate) fn from_read(error: ReadError, after: Seq) -> Self {
        match error {
            ReadError::NotFound { session } => Self::SessionNotFound(session),
            ReadError::Expired { first } => Self::CursorExpired { after, first },
            ReadError::Store(store) => store.into(),
        }
    }
}
