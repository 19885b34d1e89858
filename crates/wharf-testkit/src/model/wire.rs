//! The wires that the scripted model speaks, each as strict as the real servers are: what they refuse is refused here, in their words.

mod gemini;
mod issued;
mod messages;
mod responses;

use bytes::Bytes;
use serde_json::{Value, json};

pub(super) use issued::Issued;

use super::encode;
use crate::http::Request;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// OpenAI's chat completions. Most servers that speak them take almost everything.
    Chat,
    Responses,
    /// Anthropic's.
    Messages,
    Gemini,
}

/// A reply of the script as the bytes of one wire, HTTP's chunks included.
pub(super) trait Encoder: Send {
    fn start(&mut self) -> Bytes;

    /// A delta, as chat completions write it.
    fn delta(&mut self, delta: &Value) -> Bytes;

    fn finish(&mut self, reason: &str, usage: (u64, u64)) -> Bytes;
}

impl Wire {
    /// The wire that a request's path belongs to.
    pub(super) fn of(path: &str) -> Option<Self> {
        let place = path.split('?').next().unwrap_or(path);
        match () {
            () if place.ends_with("/chat/completions") => Some(Self::Chat),
            () if place.ends_with("/responses") => Some(Self::Responses),
            () if place.ends_with("/messages") => Some(Self::Messages),
            () if place.ends_with(":streamGenerateContent") => Some(Self::Gemini),
            () => None,
        }
    }

    /// Why a real server would not take the request: its status and its answer.
    pub(super) fn refusal(self, request: &Request, body: &Value, issued: &Issued) -> Option<(u16, Value)> {
        match self {
            Self::Chat => None,
            Self::Responses => responses::check(body, issued).err().map(|why| {
                let error = json!({ "message": why, "type": "invalid_request_error", "param": null, "code": null });
                (400, json!({ "error": error }))
            }),
            Self::Messages => messages::check(request, body, issued).err().map(|(status, why)| {
                let kind = if status == 401 { "authentication_error" } else { "invalid_request_error" };
                (status, json!({ "type": "error", "error": { "type": kind, "message": why } }))
            }),
            Self::Gemini => gemini::check(request, body, issued)
                .err()
                .map(|why| (400, json!({ "error": { "code": 400, "message": why, "status": "INVALID_ARGUMENT" } }))),
        }
    }

    /// The conversation of a request as chat completions have it.
    pub(super) fn as_chat(self, body: &Value) -> Value {
        match self {
            Self::Chat => body.clone(),
            Self::Responses => json!({ "messages": responses::messages(body) }),
            Self::Messages => json!({ "messages": messages::messages(body) }),
            Self::Gemini => json!({ "messages": gemini::messages(body) }),
        }
    }

    pub(super) fn encoder(self, path: &str, body: &Value, issued: std::sync::Arc<Issued>) -> Box<dyn Encoder> {
        match self {
            Self::Chat => Box::new(Chat),
            Self::Responses => Box::new(responses::Events::new(body, issued)),
            Self::Messages => Box::new(messages::Events::new(issued)),
            Self::Gemini => Box::new(gemini::Chunks::new(path, issued)),
        }
    }
}

struct Chat;

impl Encoder for Chat {
    fn start(&mut self) -> Bytes {
        encode::delta(&json!({ "role": "assistant", "content": "" }))
    }

    fn delta(&mut self, delta: &Value) -> Bytes {
        encode::delta(delta)
    }

    fn finish(&mut self, reason: &str, usage: (u64, u64)) -> Bytes {
        let done = encode::chunk(encode::DONE);
        [encode::finish(reason), encode::usage(usage), done].concat().into()
    }
}

/// A name that every wire takes.
fn is_name(name: &str, most: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty() && name.len() <= most && name.chars().all(fits)
}

/// The first field of an object that is not among those that are known.
fn unknown_field<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    let fields = object.as_object()?;
    fields.keys().map(String::as_str).find(|field| !known.contains(field))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
