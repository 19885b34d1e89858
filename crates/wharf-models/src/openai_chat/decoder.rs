//! Chunks of a chat completion to what they say.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wharf_foreign::json::{self, Document, Read, Unreadable};
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::{StopReason, UnseenImages};

use super::wire::{self, CallPiece, Choice, Chunk, Delta as WireDelta, FinishReason};
use crate::Delta;
use crate::http::failure;
use crate::reply::calls::Piece;
use crate::reply::decoder::{Payload, Wire, says_no_error};
use crate::reply::said::{Progress, Said, bad_reply};
use crate::reply::{EVENT_BOUNDS, WHOLE_BOUNDS};

/// The chunks of one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chunks {
    /// A choice had a `delta`: what a `message` says has been said.
    has_delta: bool,
    finish_reason: Option<String>,
    /// The server wrote `finish_reason: null`: it knows the field, so an end without a reason is a cut.
    announces_finish: bool,
    refused: bool,
    has_reasoning_content: bool,
    /// The elements of all `reasoning_details` arrays, separated by commas.
    reasoning_details: String,
}

impl Wire for Chunks {
    fn payload(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        match document.read::<Chunk<'_>>() {
            Ok(Read { value, has_halves }) => Ok(self.chunk(value, has_halves, said, out)?),
            Err(Unreadable::Incomplete) => Err(Payload::Incomplete),
            Err(_) => match document.read::<Value>() {
                Ok(Read { value: Value::Object(chunk), has_halves }) => {
                    let text = Value::Object(wire::salvaged(chunk)).to_string();
                    let chunk = serde_json::from_str(&text).map_err(|_| Payload::Unreadable)?;
                    Ok(self.chunk(chunk, has_halves, said, out)?)
                }
                // JSON that is no chunk says nothing of the reply.
                Ok(_) => Ok(()),
                Err(_) => Err(Payload::Unreadable),
            },
        }
    }

    fn whole(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        let mut take = |chunk: Chunk<'_>, has_halves| {
            let answers = chunk.error.is_some() || chunk.choices.0.is_some();
            self.chunk(chunk, has_halves, said, out)?;
            if answers { Ok(()) } else { Err(Payload::Unreadable) }
        };
        if let Ok(Read { value: chunk, has_halves }) = document.read::<Chunk<'_>>() {
            return take(chunk, has_halves);
        }
        let Ok(Read { value: Value::Object(chunk), has_halves }) = document.read::<Value>() else {
            return Err(Payload::Incomplete);
        };
        let text = Value::Object(wire::salvaged(chunk)).to_string();
        take(serde_json::from_str(&text).map_err(|_| Payload::Incomplete)?, has_halves)
    }

    fn may_end(&self, said: &Said) -> bool {
        match said.progress {
            Progress::Done => said.something || said.usage.is_some(),
            Progress::Reading | Progress::Ending => {
                !self.announces_finish && said.something && said.calls.last_is_whole()
            }
        }
    }

    fn into_reply(self, said: Said) -> ModelReply {
        let reason = self.finish_reason.as_deref().unwrap_or_default();
        let stop_reason = match reason {
            "length" | "max_tokens" | "model_length" => StopReason::MaxTokens,
            "content_filter" | "refusal" | "safety" => StopReason::Refusal,
            _ if self.refused => StopReason::Refusal,
            _ => StopReason::EndTurn,
        };
        let mut provider_data = Map::new();
        if let Some(details) = merge_details(&self.reasoning_details) {
            provider_data.insert("reasoning_details".to_owned(), details);
        }
        if self.has_reasoning_content && !said.calls.is_empty() {
            provider_data.insert("reasoning_content".to_owned(), Value::Bool(true));
        }
        ModelReply {
            stop_reason,
            announces_call: matches!(reason, "tool_calls" | "function_call" | "tool_use"),
            tool_calls: said.calls.finish(stop_reason == StopReason::MaxTokens),
            usage: said.usage,
            cost: said.cost,
            provider_data: (!provider_data.is_empty()).then_some(Value::Object(provider_data)),
            unseen: UnseenImages::default(),
        }
    }
}

impl Chunks {
    fn chunk(
        &mut self,
        chunk: Chunk<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        if let Some(error) = chunk.error.filter(|error| !says_no_error(error)) {
            return Err(failure::in_stream(error.get()));
        }
        if chunk.choices.0.is_none() && (chunk.object.0 == "error" || chunk.kind.0 == "error") {
            return Err(failure::in_stream(chunk.message.map_or("", RawValue::get)));
        }
        said.cost = chunk.usage.and_then(wire::WireUsage::cost).or(said.cost);
        if let Some(usage) = chunk.usage.and_then(wire::WireUsage::counted) {
            said.counted(usage);
        }
        let Some(Choice { delta, message, finish_reason, index: _ }) = chunk.choices.0 else {
            return Ok(());
        };
        if let Some(delta) = delta {
            self.has_delta = true;
            self.delta(delta, has_halves, said, out)?;
        }
        let is_last = matches!(finish_reason, FinishReason::Given(_));
        if let Some(mut message) = message {
            // Beside deltas it repeats them, or brings at the end what they left out.
            if self.has_delta {
                let has_calls = !said.calls.is_empty();
                if said.something {
                    message = WireDelta { tool_calls: message.tool_calls, ..WireDelta::default() };
                }
                message.tool_calls = message.tool_calls.filter(|_| !has_calls);
            }
            if !self.has_delta || is_last {
                self.delta(message, has_halves, said, out)?;
            }
        }
        match finish_reason {
            FinishReason::Absent => {}
            FinishReason::Null => self.announces_finish = true,
            FinishReason::Given(reason) if reason == "error" => {
                return Err(bad_reply("the provider ended the reply with an error".to_owned()));
            }
            FinishReason::Given(reason) => {
                self.finish_reason = Some(reason.into_owned());
                said.finish();
            }
        }
        Ok(())
    }

    fn delta(
        &mut self,
        delta: WireDelta<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let WireDelta { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls } = delta;
        // A server that sends both sends the same text twice.
        if !reasoning_content.0.is_empty() {
            self.has_reasoning_content = true;
            said.reasoning(&reasoning_content.0, has_halves, out)?;
        } else if !reasoning.0.is_empty() {
            said.reasoning(&reasoning.0, has_halves, out)?;
        }
        said.reasoning(&content.reasoning, has_halves, out)?;
        if let Some(details) = reasoning_details {
            said.count(self.keep_details(details.get()))?;
        }
        said.text(&content.text, has_halves, out)?;
        if !refusal.0.is_empty() {
            self.refused = true;
            said.text(&refusal.0, has_halves, out)?;
        }
        let pieces = tool_calls.unwrap_or_default();
        said.pieces(pieces.into_iter().map(|piece| piece_of(piece, has_halves)).collect())
    }

    fn keep_details(&mut self, array: &str) -> usize {
        let Some(elements) = array.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return 0;
        };
        let elements = elements.trim();
        if elements.is_empty() {
            return 0;
        }
        if !self.reasoning_details.is_empty() {
            self.reasoning_details.push(',');
        }
        self.reasoning_details.push_str(elements);
        elements.len()
    }
}

fn piece_of(piece: CallPiece<'_>, has_halves: bool) -> Piece<'_> {
    let CallPiece { index, id, function, extra_content } = piece;
    let (arguments, are_halves) = function.arguments.map(argument_text).unwrap_or_default();
    Piece {
        index: index.0,
        id: id.0,
        name: function.name.0,
        arguments,
        has_halves: has_halves || are_halves,
        extra_content: extra_content.and_then(|extra| json::from_slice(extra.get().as_bytes(), EVENT_BOUNDS).ok()),
    }
}

/// The text that a piece adds: the string's content, or the object itself; and whether it holds marked halves.
fn argument_text(raw: &RawValue) -> (Cow<'_, str>, bool) {
    let text = raw.get();
    if text == "null" {
        return (Cow::Borrowed(""), false);
    }
    if !text.starts_with('"') {
        return (Cow::Borrowed(text), false);
    }
    // A reader passes over what is wrong in a string that it hands on unread.
    let document = Document::new(text.as_bytes(), WHOLE_BOUNDS);
    match document.ok().and_then(|document| document.read::<String>().ok()) {
        Some(Read { value, has_halves }) => (Cow::Owned(value), has_halves),
        None => (Cow::Borrowed(text), false),
    }
}

/// Streamed details come in fragments; what goes back is one element for each run of the same type and index.
fn merge_details(elements: &str) -> Option<Value> {
    let list = format!("[{elements}]");
    let document = Document::new(list.as_bytes(), WHOLE_BOUNDS).ok()?;
    let fragments = document.read::<Vec<Map<String, Value>>>().ok()?.value;
    let mut merged: Vec<Map<String, Value>> = Vec::new();
    for fragment in fragments {
        match merged.last_mut() {
            Some(last) if last.get("type") == fragment.get("type") && last.get("index") == fragment.get("index") => {
                merge_fragment(last, fragment);
            }
            _ => merged.push(fragment),
        }
    }
    let mut merged = Value::from_iter(merged);
    json::settle(&mut merged);
    (merged != Value::Array(Vec::new())).then_some(merged)
}

fn merge_fragment(into: &mut Map<String, Value>, fragment: Map<String, Value>) {
    for (key, value) in fragment {
        match (into.get_mut(&key), value) {
            (Some(Value::String(text)), Value::String(more)) if matches!(key.as_str(), "text" | "summary" | "data") => {
                text.push_str(&more);
            }
            (Some(_), Value::Null) => {}
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
