//! What can go wrong for a caller: a variant for each thing that somebody does something about.

use std::time::Duration;

use serde_json::Value;
use wharf_protocol::permission::Resolution;
use wharf_protocol::{ApiError, ErrorCode, Seq};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    #[error("{message}")]
    NotFound { what: Resource, message: String },
    /// A turn runs, and the prompt was not to wait.
    #[error("{message}")]
    Busy { message: String },
    /// Too many prompts wait already.
    #[error("{message}")]
    QueueFull { message: String, retry_after: Option<Duration> },
    /// Too many sessions are live already.
    #[error("{message}")]
    MaxSessions { message: String, retry_after: Option<Duration> },
    /// The key is missing, wrong or revoked.
    #[error("{message}")]
    Unauthorized { message: String },
    /// The key lacks a right.
    #[error("{message}")]
    Forbidden { message: String },
    #[error("{message}")]
    RateLimited { message: String, retry_after: Option<Duration> },
    /// The cursor was never given out by this log.
    #[error("{message}")]
    CursorAhead { message: String, last_seq: Option<Seq> },
    /// The log no longer has what follows the cursor; it begins at `first_seq`.
    #[error("{message}")]
    CursorExpired { message: String, first_seq: Option<Seq> },
    /// The id is in use.
    #[error("{message}")]
    AlreadyExists { message: String },
    /// Somebody else answered first.
    #[error("{message}")]
    AlreadyResolved { message: String, option: Option<Resolution>, by: Option<String> },
    /// The id was used for another prompt.
    #[error("{message}")]
    IdempotencyMismatch { message: String },
    /// The request is not acceptable as it is.
    #[error("{message}")]
    Validation { field: Option<String>, message: String },
    /// The server starts, stops or has too much to do; later it may work.
    #[error("{message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    #[error("{what} took longer than {} s", .after.as_secs_f32())]
    Timeout { what: &'static str, after: Duration },
    /// Nobody there, or the connection broke.
    #[error("cannot reach {target}: {reason}")]
    Connection { target: String, reason: String },
    /// The answer is not what the protocol says.
    #[error("the server's answer is not understood: {0}")]
    Protocol(String),
    /// Anything else that the server says.
    #[error("{}", .0.error)]
    Server(ApiError),
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Session,
    Turn,
    Tool,
    Agent,
    Permission,
    /// In the queue.
    Prompt,
    Command,
    Other,
}

impl ClientError {
    /// The same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::QueueFull { .. }
            | Self::MaxSessions { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::Connection { .. } => true,
            Self::Server(error) => error.retryable,
            Self::NotFound { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::CursorAhead { .. }
            | Self::CursorExpired { .. }
            | Self::AlreadyExists { .. }
            | Self::AlreadyResolved { .. }
            | Self::IdempotencyMismatch { .. }
            | Self::Validation { .. }
            | Self::Protocol(_) => false,
        }
    }

    /// What the server wants a caller to wait before it tries again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. }
            | Self::MaxSessions { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The server has answered, whatever it said: it lives.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(self, Self::Connection { .. } | Self::Timeout { .. } | Self::Protocol(_))
    }

    /// Worth another attempt by the client itself: the trouble is the connection's or the server's moment, not the request's.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connection { .. } | Self::Timeout { .. } | Self::Unavailable { .. } | Self::RateLimited { .. }
        )
    }

    pub(crate) fn from_response(error: ApiError, after: Option<Duration>) -> Self {
        let mut translated = Self::from(error);
        match &mut translated {
            Self::QueueFull { retry_after, .. }
            | Self::MaxSessions { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::Unavailable { retry_after, .. } => *retry_after = after,
            _ => {}
        }
        translated
    }
}

impl From<ApiError> for ClientError {
    fn from(error: ApiError) -> Self {
        let message = error.error.clone();
        let missing = |what| Self::NotFound { what, message: message.clone() };
        match error.code {
            ErrorCode::NotFound => missing(Resource::Other),
            ErrorCode::SessionNotFound => missing(Resource::Session),
            ErrorCode::TurnNotFound => missing(Resource::Turn),
            ErrorCode::ToolNotFound => missing(Resource::Tool),
            ErrorCode::AgentNotFound => missing(Resource::Agent),
            ErrorCode::PermissionNotFound => missing(Resource::Permission),
            ErrorCode::PromptNotFound => missing(Resource::Prompt),
            ErrorCode::CommandNotFound => missing(Resource::Command),
            ErrorCode::SessionBusy => Self::Busy { message },
            ErrorCode::QueueFull => Self::QueueFull { message, retry_after: None },
            ErrorCode::MaxSessionsReached => Self::MaxSessions { message, retry_after: None },
            ErrorCode::Unauthorized => Self::Unauthorized { message },
            ErrorCode::Forbidden => Self::Forbidden { message },
            ErrorCode::RateLimited => Self::RateLimited { message, retry_after: None },
            ErrorCode::CursorAhead => Self::CursorAhead { message, last_seq: detail(&error, "last_seq") },
            ErrorCode::CursorExpired => Self::CursorExpired { message, first_seq: detail(&error, "first_seq") },
            ErrorCode::AlreadyExists => Self::AlreadyExists { message },
            ErrorCode::AlreadyResolved => {
                Self::AlreadyResolved { message, option: detail(&error, "option"), by: detail(&error, "by") }
            }
            ErrorCode::IdempotencyMismatch => Self::IdempotencyMismatch { message },
            ErrorCode::ValidationError | ErrorCode::BadRequest | ErrorCode::InvalidJson => {
                Self::Validation { field: detail(&error, "field"), message }
            }
            ErrorCode::Unavailable | ErrorCode::StorageUnavailable => Self::Unavailable { message, retry_after: None },
            ErrorCode::UnsupportedAction
            | ErrorCode::MethodNotAllowed
            | ErrorCode::NotAcceptable
            | ErrorCode::Conflict
            | ErrorCode::SessionSealed
            | ErrorCode::SessionDamaged
            | ErrorCode::TurnCancelled
            | ErrorCode::CommandClosed
            | ErrorCode::TooManyCommands
            | ErrorCode::PayloadTooLarge
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::InternalError
            | ErrorCode::ProviderError
            | ErrorCode::ModelReplyUnusable
            | ErrorCode::ModelRepeats
            | ErrorCode::ContextOverflow
            | ErrorCode::Timeout => Self::Server(error),
        }
    }
}

fn detail<T: serde::de::DeserializeOwned>(error: &ApiError, name: &str) -> Option<T> {
    let value: &Value = error.details.as_ref()?.get(name)?;
    T::deserialize(value).ok()
}

#[cfg(test)]
mod tests;
