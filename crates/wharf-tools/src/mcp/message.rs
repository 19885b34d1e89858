//! JSON-RPC 2.0 as MCP speaks it.

use serde::Deserialize;
use serde_json::{Value, json};

/// Messages in one batch, which the version 2025-03-26 allows.
const BATCH_MAX: usize = 256;

/// A message of a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Incoming {
    Response { id: u64, outcome: Result<Value, RpcError> },
    Request { id: Value, method: String },
    Notification { method: String, params: Value },
}

/// An error of the server's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    #[serde(default)]
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<RpcError>,
}

/// The messages in `bytes`; `None` where it holds none.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Incoming>> {
    match bytes.trim_ascii_start().first()? {
        b'{' => Some(vec![incoming(serde_json::from_slice(bytes).ok()?)?]),
        b'[' => {
            let batch: Vec<Envelope> = serde_json::from_slice(bytes).ok()?;
            (batch.len() <= BATCH_MAX).then(|| batch.into_iter().filter_map(incoming).collect())
        }
        _ => None,
    }
}

fn incoming(envelope: Envelope) -> Option<Incoming> {
    let Envelope { id, method, params, result, error } = envelope;
    match (id, method) {
        (Some(id), Some(method)) => Some(Incoming::Request { id, method }),
        (None, Some(method)) => Some(Incoming::Notification { method, params }),
        (Some(id), None) => {
            // Some servers give a number back as text.
            let id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
            let outcome = match error {
                Some(error) => Err(error),
                None => Ok(result.unwrap_or_default()),
            };
            Some(Incoming::Response { id, outcome })
        }
        (None, None) => None,
    }
}

/// A message to a server.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// Of a request.
    pub(super) id: Option<u64>,
    /// The request that it gives up.
    pub(super) cancels: Option<u64>,
    pub(super) body: Vec<u8>,
}

pub(super) fn request(id: u64, method: &str, params: &Value) -> Outgoing {
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    Outgoing { id: Some(id), cancels: None, body: body.to_string().into_bytes() }
}

pub(super) fn notification(method: &str, params: Option<&Value>) -> Outgoing {
    let mut body = json!({ "jsonrpc": "2.0", "method": method });
    if let Some(params) = params {
        body["params"] = params.clone();
    }
    Outgoing { id: None, cancels: None, body: body.to_string().into_bytes() }
}

pub(super) fn cancelled(id: u64) -> Outgoing {
    let params = json!({ "requestId": id, "reason": "the call was stopped" });
    Outgoing { cancels: Some(id), ..notification("notifications/cancelled", Some(&params)) }
}

pub(super) fn response(id: &Value, outcome: Result<Value, (i64, &str)>) -> Outgoing {
    let body = match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    };
    Outgoing { id: None, cancels: None, body: body.to_string().into_bytes() }
}
