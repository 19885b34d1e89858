//! JSON-RPC 2.0 as MCP speaks it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use wharf_foreign::json;
use wharf_foreign::nesting::Bounds;

use crate::MESSAGE_MAX_BYTES;

/// Messages in one batch, which the version 2025-03-26 allows.
const BATCH_MAX: usize = 256;
/// A message that is deeper is answered to whoever waits for it as one that cannot be read.
const BOUNDS: Bounds = Bounds { length: MESSAGE_MAX_BYTES, depth: json::DEPTH_MAX };
const PARSE_ERROR: i64 = -32700;

/// A message of a server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    Response { id: u64, outcome: Result<Value, RpcError> },
    Request { id: Value, method: String },
    Notification { method: String, params: Value },
}

/// An error of the server's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// Of a message that cannot be read: whom it answers. A reader passes over all else without a limit and without recursion.
#[derive(Deserialize)]
struct Shallow {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: Option<IgnoredAny>,
}

/// The messages in `bytes`; `None` where it holds none.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Incoming>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if !matches!(bytes.trim_ascii_start().first()?, b'{' | b'[') {
        return None;
    }
    match json::from_slice(bytes, BOUNDS) {
        Ok(Value::Object(message)) => Some(vec![incoming(message)?]),
        Ok(Value::Array(batch)) => {
            let message = |message| if let Value::Object(message) = message { incoming(message) } else { None };
            (batch.len() <= BATCH_MAX).then(|| batch.into_iter().filter_map(message).collect())
        }
        Ok(_) => None,
        Err(error) => match serde_json::from_slice(bytes).ok()? {
            // Whoever waits for it is told, and does not wait for its time limit.
            Shallow { id, method: None } => {
                let id = number(&id)?;
                let message = format!("its answer cannot be read: {error}");
                Some(vec![Incoming::Response { id, outcome: Err(RpcError { code: PARSE_ERROR, message }) }])
            }
            _ => None,
        },
    }
}

fn incoming(mut message: Map<String, Value>) -> Option<Incoming> {
    let mut take = |name: &str| message.remove(name).filter(|value| !value.is_null());
    let method = take("method").and_then(|method| method.as_str().map(str::to_owned));
    match (take("id"), method) {
        (Some(id), Some(method)) => Some(Incoming::Request { id, method }),
        (None, Some(method)) => Some(Incoming::Notification { method, params: take("params").unwrap_or_default() }),
        (Some(id), None) => {
            let id = number(&id)?;
            let outcome = match take("error") {
                Some(error) => Err(RpcError::of(error)),
                None => Ok(take("result").unwrap_or_default()),
            };
            Some(Incoming::Response { id, outcome })
        }
        (None, None) => None,
    }
}

/// The number of a request of ours. Some servers give it back as text, or as a float.
fn number(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_str()?.trim().parse().ok()).or_else(|| whole(id.as_f64()?))
}

fn whole(number: f64) -> Option<u64> {
    // Beyond 2^53 a float no longer holds every whole number.
    (number >= 0.0 && number.fract() == 0.0 && number < 9_007_199_254_740_992.0).then_some(number as u64)
}

impl RpcError {
    /// Some servers send a bare text, or a code that is none.
    fn of(error: Value) -> Self {
        let code = error.get("code");
        let code =
            code.and_then(|code| code.as_i64().or_else(|| code.as_str()?.trim().parse().ok())).unwrap_or_default();
        let message = match error.get("message").unwrap_or(&error) {
            Value::String(message) => message.clone(),
            other => other.to_string(),
        };
        Self { code, message }
    }
}

/// A message to a server.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// Of a request.
    pub(crate) id: Option<u64>,
    /// The request that it gives up.
    pub(crate) cancels: Option<u64>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn request(id: u64, method: &str, params: &Value) -> Outgoing {
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    Outgoing { id: Some(id), cancels: None, body: body.to_string().into_bytes() }
}

pub(crate) fn notification(method: &str, params: Option<&Value>) -> Outgoing {
    let mut body = json!({ "jsonrpc": "2.0", "method": method });
    if let Some(params) = params {
        body["params"] = params.clone();
    }
    Outgoing { id: None, cancels: None, body: body.to_string().into_bytes() }
}

pub(crate) fn cancelled(id: u64) -> Outgoing {
    let params = json!({ "requestId": id, "reason": "the call was stopped" });
    Outgoing { cancels: Some(id), ..notification("notifications/cancelled", Some(&params)) }
}

pub(crate) fn response(id: &Value, outcome: Result<Value, (i64, &str)>) -> Outgoing {
    let body = match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    };
    Outgoing { id: None, cancels: None, body: body.to_string().into_bytes() }
}
