//! What the server says on `/ws`, as text.
//!
//! The `id` is that of the request which a frame answers; it is empty where there is none, so that no client takes an event
//! for an answer. Events are spliced together from their stored bytes: the payload's fields move up beside the envelope's, unread.

use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value, json};
use wharf_protocol::frame::{Frame, FrameBody, ToolFrameEvent};
use wharf_protocol::{ApiError, EncodedEvent, EventKind, Timestamp};

/// The answer to the request `id`.
pub(crate) fn response(id: &str, payload: &Value) -> Utf8Bytes {
    envelope("response", id, payload)
}

/// The failure of the request `id`, where that could be read.
pub(crate) fn error(id: Option<&str>, error: &ApiError) -> Utf8Bytes {
    envelope("error", id.unwrap_or_default(), &json!(error))
}

/// An event of the connection itself.
pub(crate) fn transport_event(kind: &str, mut payload: Map<String, Value>) -> Utf8Bytes {
    payload.insert("kind".to_owned(), kind.into());
    payload.insert("event_type".to_owned(), kind.into());
    envelope("event", "", &Value::Object(payload))
}

fn envelope(kind: &str, id: &str, payload: &Value) -> Utf8Bytes {
    json!({ "type": kind, "id": id, "timestamp": Timestamp::now(), "payload": payload }).to_string().into()
}

/// A frame of the turn that the request `id` asked for.
pub(crate) fn turn_frame(id: &str, frame: &Frame) -> Utf8Bytes {
    let mut payload = json!(frame);
    if let Some(fields) = payload.as_object_mut() {
        let kind = match &frame.body {
            FrameBody::Tool(tool) if tool.event == ToolFrameEvent::CallStart => "tool_call".into(),
            FrameBody::Tool(tool) if tool.event == ToolFrameEvent::CallProgress => "tool_progress".into(),
            FrameBody::Tool(_) => "tool_result".into(),
            // What the published clients look for, each generation under its own name.
            _ => fields.get("type").cloned().unwrap_or_default(),
        };
        if matches!(frame.body, FrameBody::Chunk { .. } | FrameBody::Reasoning { .. }) {
            fields.insert("done".to_owned(), false.into());
        }
        fields.insert("kind".to_owned(), kind);
    }
    match frame.body {
        FrameBody::Error { .. } => envelope("error", id, &payload),
        _ => envelope("response", id, &payload),
    }
}

/// An event of a log.
pub(crate) fn event(event: &EncodedEvent) -> Utf8Bytes {
    splice(event).or_else(|| rebuild(event)).unwrap_or_default().into()
}

/// The payload's `kind` of an event.
fn kind_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::ToolCallStart => "tool_call",
        EventKind::ToolCallComplete | EventKind::ToolCallError => "tool_result",
        other => other.as_str(),
    }
}

/// Payloads with a field of a name that the envelope uses itself.
fn has_clashing_field(kind: EventKind) -> bool {
    matches!(kind, EventKind::ToolCallStart | EventKind::ModelRetrying)
}

fn splice(event: &EncodedEvent) -> Option<String> {
    if has_clashing_field(event.kind) {
        return None;
    }
    let json = std::str::from_utf8(&event.json).ok()?;
    let (seq, event_type) = (event.seq, event.kind.as_str());
    let rest = json.strip_prefix(&format!(r#"{{"seq":{seq},"type":"{event_type}","#))?;
    // Nothing before the payload can hold a quote of its own.
    let (head, payload) = rest.split_once(r#","payload":{"#)?;
    let payload = payload.strip_suffix("}}")?;
    let (_, timestamp) = head.split_once(r#""timestamp":"#)?;
    let kind = kind_of(event.kind);
    let comma = if payload.is_empty() { "" } else { "," };
    let mut out = String::with_capacity(json.len() + 192);
    for part in [
        r#"{"type":"event","id":"","timestamp":"#,
        timestamp,
        r#","payload":{"kind":""#,
        kind,
        r#"","event_type":""#,
        event_type,
        r#"","seq":"#,
        &seq.to_string(),
        ",",
        head,
        comma,
        payload,
        "}}",
    ] {
        out.push_str(part);
    }
    Some(out)
}

fn rebuild(event: &EncodedEvent) -> Option<String> {
    let mut fields: Map<String, Value> = serde_json::from_slice(&event.json).ok()?;
    let Some(Value::Object(mut payload)) = fields.remove("payload") else { return None };
    if let Some(tool_kind) = payload.remove("kind") {
        payload.insert("tool_kind".to_owned(), tool_kind);
    }
    let timestamp = fields.get("timestamp").cloned();
    fields.remove("type");
    payload.extend(fields);
    payload.insert("kind".to_owned(), kind_of(event.kind).into());
    payload.insert("event_type".to_owned(), event.kind.as_str().into());
    Some(json!({ "type": "event", "id": "", "timestamp": timestamp, "payload": payload }).to_string())
}

#[cfg(test)]
mod tests;
