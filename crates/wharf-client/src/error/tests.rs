//! The server's codes as a client's errors, with what they bring along.

use serde_json::json;
use wharf_protocol::{ApiError, ErrorCode, Seq};

use super::*;

#[test]
fn every_code_has_its_own_meaning() {
    let mut lines = String::new();
    for &code in ErrorCode::ALL {
        let error = ClientError::from(ApiError::new(code, "words"));
        let debug = format!("{error:?}");
        let name = debug.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
        lines.push_str(&format!("{code} {name} retryable={}\n", error.is_retryable()));
        assert!(error.to_string().contains("words"), "{code} lost the server's words");
    }
    let expected = "\
BAD_REQUEST Validation retryable=false
INVALID_JSON Validation retryable=false
VALIDATION_ERROR Validation retryable=false
UNSUPPORTED_ACTION Server retryable=false
UNAUTHORIZED Unauthorized retryable=false
FORBIDDEN Forbidden retryable=false
NOT_FOUND NotFound retryable=false
SESSION_NOT_FOUND NotFound retryable=false
TURN_NOT_FOUND NotFound retryable=false
TOOL_NOT_FOUND NotFound retryable=false
AGENT_NOT_FOUND NotFound retryable=false
COMMAND_NOT_FOUND NotFound retryable=false
PERMISSION_NOT_FOUND NotFound retryable=false
PROMPT_NOT_FOUND NotFound retryable=false
METHOD_NOT_ALLOWED Server retryable=false
NOT_ACCEPTABLE Server retryable=false
CONFLICT Server retryable=false
SESSION_BUSY Busy retryable=true
SESSION_SEALED Server retryable=false
ALREADY_EXISTS AlreadyExists retryable=false
ALREADY_RESOLVED AlreadyResolved retryable=false
COMMAND_CLOSED Server retryable=false
TURN_CANCELLED Server retryable=false
CURSOR_AHEAD CursorAhead retryable=false
CURSOR_EXPIRED CursorExpired retryable=false
PAYLOAD_TOO_LARGE Server retryable=false
UNSUPPORTED_MEDIA_TYPE Server retryable=false
IDEMPOTENCY_MISMATCH IdempotencyMismatch retryable=false
CONTEXT_OVERFLOW Server retryable=false
RATE_LIMITED RateLimited retryable=true
MAX_SESSIONS_REACHED MaxSessions retryable=true
QUEUE_FULL QueueFull retryable=true
TOO_MANY_COMMANDS Server retryable=true
INTERNAL_ERROR Server retryable=false
SESSION_DAMAGED Server retryable=false
PROVIDER_ERROR Server retryable=false
MODEL_REPLY_UNUSABLE Server retryable=false
MODEL_REPEATS Server retryable=false
UNAVAILABLE Unavailable retryable=true
STORAGE_UNAVAILABLE Unavailable retryable=true
TIMEOUT Server retryable=true
";
    assert_eq!(lines, expected);
}

#[test]
fn details_come_along() {
    let expired = ApiError::new(ErrorCode::CursorExpired, "gone").with_details(json!({ "first_seq": 7 }));
    assert_eq!(
        ClientError::from(expired),
        ClientError::CursorExpired { message: "gone".to_owned(), first_seq: Some(Seq(7)) }
    );
    let resolved = ApiError::new(ErrorCode::AlreadyResolved, "late")
        .with_details(json!({ "option": "reject_once", "by": "phone" }));
    assert_eq!(
        ClientError::from(resolved),
        ClientError::AlreadyResolved {
            message: "late".to_owned(),
            option: Some(Resolution::RejectOnce),
            by: Some("phone".to_owned())
        }
    );
    let field = ApiError::new(ErrorCode::ValidationError, "no").with_details(json!({ "field": "cwd" }));
    assert_eq!(
        ClientError::from(field),
        ClientError::Validation { field: Some("cwd".to_owned()), message: "no".to_owned() }
    );
}

#[test]
fn the_header_says_when_to_come_back() {
    let error = ApiError::new(ErrorCode::RateLimited, "slow down");
    let error = ClientError::from_response(error, Some(Duration::from_secs(3)));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}
