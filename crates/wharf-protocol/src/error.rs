//! The one shape of an error, on every transport.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $status:literal, $retryable:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that carries it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The same request may succeed later.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    BadRequest, "BAD_REQUEST", 400, false;
    InvalidJson, "INVALID_JSON", 400, false;
    ValidationError, "VALIDATION_ERROR", 400, false;
    UnsupportedAction, "UNSUPPORTED_ACTION", 400, false;
    Unauthorized, "UNAUTHORIZED", 401, false;
    Forbidden, "FORBIDDEN", 403, false;
    NotFound, "NOT_FOUND", 404, false;
    SessionNotFound, "SESSION_NOT_FOUND", 404, false;
    TurnNotFound, "TURN_NOT_FOUND", 404, false;
    ToolNotFound, "TOOL_NOT_FOUND", 404, false;
    AgentNotFound, "AGENT_NOT_FOUND", 404, false;
    CommandNotFound, "COMMAND_NOT_FOUND", 404, false;
    PermissionNotFound, "PERMISSION_NOT_FOUND", 404, false;
    PromptNotFound, "PROMPT_NOT_FOUND", 404, false;
    MethodNotAllowed, "METHOD_NOT_ALLOWED", 405, false;
    NotAcceptable, "NOT_ACCEPTABLE", 406, false;
    Conflict, "CONFLICT", 409, false;
    SessionBusy, "SESSION_BUSY", 409, true;
    /// The session can be read and takes no work until it is unsealed; `details` says why.
    SessionSealed, "SESSION_SEALED", 409, false;
    AlreadyExists, "ALREADY_EXISTS", 409, false;
    AlreadyResolved, "ALREADY_RESOLVED", 409, false;
    /// The command has ended, or takes no input.
    CommandClosed, "COMMAND_CLOSED", 409, false;
    /// In the frames of a turn: it was cancelled, or its prompt withdrawn.
    TurnCancelled, "TURN_CANCELLED", 409, false;
    /// The cursor is ahead of the log.
    CursorAhead, "CURSOR_AHEAD", 409, false;
    /// The cursor is older than what the log keeps; `details` says where to start.
    CursorExpired, "CURSOR_EXPIRED", 410, false;
    PayloadTooLarge, "PAYLOAD_TOO_LARGE", 413, false;
    UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", 415, false;
    /// The id of this request was used for another body.
    IdempotencyMismatch, "IDEMPOTENCY_MISMATCH", 422, false;
    /// The model's window is too small for what has to be in each request; `details` has the numbers, and what is smaller.
    ContextOverflow, "CONTEXT_OVERFLOW", 422, false;
    RateLimited, "RATE_LIMITED", 429, true;
    MaxSessionsReached, "MAX_SESSIONS_REACHED", 429, true;
    QueueFull, "QUEUE_FULL", 429, true;
    /// As many background commands run as may.
    TooManyCommands, "TOO_MANY_COMMANDS", 429, true;
    InternalError, "INTERNAL_ERROR", 500, false;
    /// What is stored of the session cannot be read. Other sessions are not concerned.
    SessionDamaged, "SESSION_DAMAGED", 500, false;
    ProviderError, "PROVIDER_ERROR", 502, false;
    /// The model answered twice, and there was nothing in it; `details.defect` says what was missing.
    ModelReplyUnusable, "MODEL_REPLY_UNUSABLE", 502, false;
    /// The model repeats the same calls with the same results, and goes on after it was told and the user did not let it.
    ModelRepeats, "MODEL_REPEATS", 502, false;
    Unavailable, "UNAVAILABLE", 503, true;
    StorageUnavailable, "STORAGE_UNAVAILABLE", 503, true;
    Timeout, "TIMEOUT", 504, true;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error as every transport shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    /// In words: what is wrong, and what would be right.
    pub error: String,
    pub code: ErrorCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The same request may succeed later.
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ApiError {
    #[must_use]
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self { error: error.into(), code, details: None, retryable: code.is_retryable(), request_id: None }
    }

    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}
