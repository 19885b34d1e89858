//! JSON-RPC 2.0: messages in, messages out, and what an error of ours looks like there.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wharf_engine::EngineError;
use wharf_foreign::text::without_mark;
use wharf_protocol::ApiError;

use super::method::Ours;
use crate::error::Failure;

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const INTERNAL_ERROR: i32 = -32603;
/// ACP: the request was taken back.
pub(super) const CANCELLED: i32 = -32800;
/// ACP: a session or file that is not there.
pub(super) const NOT_FOUND: i32 = -32002;

/// Longest id that comes back on an answer, in bytes.
const ID_BYTES: usize = 1 << 10;
/// A method's name comes back in the error about it.
const METHOD_BYTES: usize = 256;

/// A request's id, as the JSON that it came as: it is echoed exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id(Arc<str>);

impl Id {
    pub(super) fn null() -> Self {
        Self("null".into())
    }

    pub(super) fn from_text(text: &str) -> Self {
        Self(Value::from(text).to_string().into())
    }

    /// Numbers, strings and null; nothing else is an id.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let json = match value {
            Value::Null | Value::Number(_) | Value::String(_) => value.to_string(),
            _ => return None,
        };
        (json.len() <= ID_BYTES).then(|| Self(json.into()))
    }

    /// The text of an id that is a string.
    pub(super) fn text(&self) -> Option<String> {
        serde_json::from_str(&self.0).ok()
    }
}

/// A message of the client.
#[derive(Debug)]
pub(super) enum Incoming {
    Request { id: Id, method: String, params: Params },
    Notification { method: String, params: Params },
    Response { id: Id, outcome: Result<Box<RawValue>, Box<RawValue>> },
}

/// The parameters of a call, not read yet.
#[derive(Debug)]
pub(super) struct Params(Option<Box<RawValue>>);

impl Params {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        let json = self.0.as_ref().map_or("{}", |raw| raw.get());
        serde_json::from_str(json).map_err(|error| RpcError::invalid_params(one_line(&error.to_string())))
    }
}

/// A message that is none: the id to answer with, and why.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) id: Id,
    pub(super) error: RpcError,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    jsonrpc: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(default)]
    method: Option<Value>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present_raw")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Box<RawValue>>,
}

/// `null` is an id too; only a missing one makes a notification.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn present_raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Reads one message. Batches are none: the protocol has dropped them.
pub(super) fn read(frame: &[u8]) -> Result<Incoming, Malformed> {
    let frame = without_mark(frame);
    let malformed = |id: Id, code, message: &str| Malformed { id, error: RpcError::new(code, message) };
    if serde_json::from_slice::<&RawValue>(frame).is_err() {
        return Err(malformed(Id::null(), PARSE_ERROR, "Parse error"));
    }
    if frame.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed(Id::null(), INVALID_REQUEST, "Invalid request"));
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(frame) else {
        return Err(malformed(Id::null(), INVALID_REQUEST, "Invalid request"));
    };
    let Envelope { jsonrpc, id, method, params, result, error } = envelope;
    let id = match id.as_ref().map(Id::from_value) {
        Some(None) => return Err(malformed(Id::null(), INVALID_REQUEST, "Invalid request")),
        Some(Some(id)) => Some(id),
        None => None,
    };
    let invalid = |id: &Option<Id>| malformed(id.clone().unwrap_or_else(Id::null), INVALID_REQUEST, "Invalid request");
    if jsonrpc.as_ref().and_then(Value::as_str) != Some("2.0") {
        return Err(invalid(&id));
    }
    match (method, id, result, error) {
        (Some(Value::String(method)), id, None, None) if method.len() <= METHOD_BYTES => Ok(match id {
            Some(id) => Incoming::Request { id, method, params: Params(params) },
            None => Incoming::Notification { method, params: Params(params) },
        }),
        (None, Some(id), Some(result), None) => Ok(Incoming::Response { id, outcome: Ok(result) }),
        (None, Some(id), None, Some(error)) => Ok(Incoming::Response { id, outcome: Err(error) }),
        (_, id, _, _) => Err(invalid(&id)),
    }
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The client took its request back.
    pub(super) fn cancelled() -> Self {
        Self::new(CANCELLED, "Request cancelled")
    }

    pub(super) fn invalid_params(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code: INVALID_PARAMS, message: format!("Invalid params: {reason}"), data: Some(json!(reason)) }
    }

    pub(super) fn method_not_found(method: &str) -> Self {
        Self { code: METHOD_NOT_FOUND, message: "Method not found".to_owned(), data: Some(json!(method)) }
    }
}

impl From<ApiError> for RpcError {
    fn from(error: ApiError) -> Self {
        let ApiError { error: text, code, details, retryable, request_id: _ } = error;
        let rpc = match code.status() {
            400 | 413 | 422 => INVALID_PARAMS,
            404 => NOT_FOUND,
            _ => INTERNAL_ERROR,
        };
        let message = one_line(&text);
        // `reason` and `details` are what terminal clients show.
        let mut data = json!({ "reason": code, "details": message, "retryable": retryable });
        if let (Some(details), Some(fields)) = (details, data.as_object_mut()) {
            fields.insert("about".to_owned(), details);
        }
        Self { code: rpc, message, data: Some(data) }
    }
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        failure.into_api().into()
    }
}

impl From<EngineError> for RpcError {
    fn from(error: EngineError) -> Self {
        Failure::from(error).into()
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

pub(super) fn response(id: &Id, result: &impl Serialize) -> Utf8Bytes {
    match serde_json::to_string(result) {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.0).into(),
        Err(unserialisable) => {
            tracing::error!(error = %unserialisable, "an ACP answer cannot be written");
            error(id, &RpcError::new(INTERNAL_ERROR, "Internal error"))
        }
    }
}

pub(super) fn error(id: &Id, error: &RpcError) -> Utf8Bytes {
    let error = serde_json::to_string(error).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.0).into()
}

/// A call of ours that is not answered.
pub(super) fn notification(method: Ours, params: &impl Serialize) -> Utf8Bytes {
    let params = serde_json::to_string(params).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{params}}}"#, method.as_str()).into()
}

/// A call of ours.
pub(super) fn request(id: &Id, method: Ours, params: &impl Serialize) -> Utf8Bytes {
    let params = serde_json::to_string(params).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{}","params":{params}}}"#, id.0, method.as_str()).into()
}

#[cfg(test)]
mod tests;
