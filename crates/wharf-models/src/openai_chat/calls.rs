//! Tool calls put together from their pieces.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use wharf_protocol::model::ProposedCall;

use super::wire::CallPiece;

/// More calls in one reply are a model that repeats itself.
pub(super) const MAX_CALLS: usize = 256;

/// The calls of one reply, in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Counts the chunks with calls: two pieces of one chunk without an index are two calls.
    chunk: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra_content: Option<Value>,
    last_chunk: u64,
}

/// The reply holds more than `MAX_CALLS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyCalls;

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the pieces of one chunk; returns how many bytes they brought.
    pub(super) fn add(&mut self, pieces: Vec<CallPiece<'_>>) -> Result<usize, TooManyCalls> {
        self.chunk += 1;
        let mut bytes = 0;
        for piece in pieces {
            let arguments = piece.function.arguments.map(argument_text).unwrap_or_default();
            let name = piece.function.name.0.trim();
            let at = match self.find(&piece, name, &arguments) {
                Some(at) => at,
                None if self.calls.len() == MAX_CALLS => return Err(TooManyCalls),
                None => {
                    self.calls.push(Call { index: piece.index, ..Call::default() });
                    self.calls.len() - 1
                }
            };
            let call = &mut self.calls[at];
            call.last_chunk = self.chunk;
            if call.id.is_empty() {
                call.id.push_str(&piece.id.0);
            }
            // Some servers repeat the name in every piece; none is known to cut it.
            if call.name.is_empty() {
                call.name.push_str(name);
            }
            call.arguments.push_str(&arguments);
            if let Some(extra) = piece.extra_content {
                call.extra_content = serde_json::from_str(extra.get()).ok();
            }
            bytes += name.len() + arguments.len();
        }
        Ok(bytes)
    }

    /// The call that a piece goes on with, if it does not begin one.
    fn find(&self, piece: &CallPiece<'_>, name: &str, arguments: &str) -> Option<usize> {
        let id = piece.id.0.as_ref();
        let at = match piece.index {
            Some(index) => self.calls.iter().rposition(|call| call.index == Some(index))?,
            None if !id.is_empty() => match self.calls.iter().rposition(|call| call.id == id) {
                Some(at) => at,
                // An id without a name is a server that makes up ids for pieces.
                None if name.is_empty() => self.calls.len().checked_sub(1)?,
                None => return None,
            },
            None => self.calls.len().checked_sub(1)?,
        };
        let call = &self.calls[at];
        let same_id = id == call.id || id.is_empty() || call.id.is_empty();
        let begins = if name.is_empty() {
            false
        } else if !same_id {
            true
        } else if !id.is_empty() && id == call.id {
            false
        } else {
            let repeated_beside = piece.index.is_none() && call.last_chunk == self.chunk;
            let other_name = !call.name.is_empty() && call.name != name;
            repeated_beside || other_name || (!arguments.is_empty() && is_object(&call.arguments))
        };
        (!begins).then_some(at)
    }

    /// The calls as the model wrote them. `cut`: the reply ran into its limit, so that the last call may lack its end.
    pub(super) fn finish(self, cut: bool) -> Vec<ProposedCall> {
        let last = self.calls.len().saturating_sub(1);
        let finish = |(at, call): (usize, Call)| ProposedCall {
            tool_name: call.name,
            arguments: parse_arguments(call.arguments, cut && at == last),
            provider_data: call.extra_content.map(|extra| json!({ "extra_content": extra })),
        };
        self.calls.into_iter().enumerate().map(finish).collect()
    }

    /// Whether the last call's arguments are a whole object: a stream that ends there may have ended on purpose.
    pub(super) fn last_is_whole(&self) -> bool {
        self.calls.last().is_none_or(|call| is_object(&call.arguments))
    }
}

/// The text that a piece adds: the string's content, or the object itself.
fn argument_text(raw: &RawValue) -> Cow<'_, str> {
    let text = raw.get();
    if text.starts_with('"') {
        serde_json::from_str::<String>(text).map_or(Cow::Borrowed(text), Cow::Owned)
    } else if text == "null" {
        Cow::Borrowed("")
    } else {
        Cow::Borrowed(text)
    }
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    // The cheap look first: a name repeated in every piece must not cost a parse of all arguments so far.
    text.starts_with('{') && text.ends_with('}') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn parse_arguments(text: String, cut: bool) -> Result<Value, String> {
    if text.trim().is_empty() {
        return if cut { Err(text) } else { Ok(Value::Object(Map::new())) };
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        // Encoded twice.
        Ok(Value::String(inner)) => match serde_json::from_str(&inner) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => Err(text),
        },
        _ => Err(text),
    }
}
