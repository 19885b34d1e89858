//! Reading what a client sends: leniently where the design's clients differ, exactly where it matters.

use serde_json::{Map, Value};
use wharf_protocol::ws::Action;
use wharf_protocol::{ApiError, ErrorCode};

use crate::extract::parse_object;

/// The actions that there are.
const ACTIONS: [&str; 7] = ["ping", "prompt", "cancel", "compact", "subscribe", "unsubscribe", "approve"];
/// Longest id of a request, in bytes: it comes back on every frame of the answer.
const ID_BYTES: usize = 256;

/// A request that can be served.
pub(super) struct Request {
    pub(super) id: String,
    pub(super) action: Action,
}

/// A frame that is no request: why, and the id where it could be read.
pub(super) struct Malformed {
    pub(super) id: Option<String>,
    pub(super) error: ApiError,
}

/// Reads a frame. Its `timestamp` and fields that are not known are not looked at.
pub(super) fn read(frame: &[u8]) -> Result<Request, Malformed> {
    let mut fields: Map<String, Value> = parse_object(frame).map_err(|error| Malformed { id: None, error })?;
    let id = match fields.remove("id") {
        Some(Value::String(id)) if (1..=ID_BYTES).contains(&id.len()) => id,
        _ => {
            let reason = format!("must be a string of 1 to {ID_BYTES} bytes");
            return Err(Malformed { id: None, error: invalid("id", &reason) });
        }
    };
    let malformed = |error| Malformed { id: Some(id.clone()), error };
    if fields.get("type").is_some_and(|kind| kind != "request") {
        return Err(malformed(invalid("type", "must be \"request\"")));
    }
    let payload = match fields.remove("payload") {
        Some(payload @ Value::Object(_)) => payload,
        _ => return Err(malformed(invalid("payload", "must be an object with an action"))),
    };
    match payload.get("action").and_then(Value::as_str) {
        Some(action) if ACTIONS.contains(&action) => {}
        Some(action) => {
            let error = ApiError::new(ErrorCode::UnsupportedAction, format!("there is no action {action:?}"));
            return Err(malformed(error.with_details(serde_json::json!({ "actions": ACTIONS }))));
        }
        None => return Err(malformed(invalid("payload.action", &format!("must be one of {}", ACTIONS.join(", "))))),
    }
    match serde_path_to_error::deserialize(payload) {
        Ok(action) => Ok(Request { action, id }),
        Err(error) => {
            let path = error.path().to_string();
            let field = if path == "." { "payload".to_owned() } else { format!("payload.{path}") };
            let reason = error.into_inner().to_string();
            Err(malformed(invalid(&field, &reason)))
        }
    }
}

fn invalid(field: &str, reason: &str) -> ApiError {
    ApiError::new(ErrorCode::ValidationError, format!("{field}: {reason}"))
        .with_details(serde_json::json!({ "field": field, "reason": reason }))
}

#[cfg(test)]
mod tests;
