//! Chunks of a Gemini stream to what they say.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use wharf_foreign::json::{self, Document, Read, Unreadable};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply, ProposedCall};
use wharf_protocol::{StopReason, UnseenImages};

use super::arguments;
use super::wire::{Candidate, Chunk, Feedback, FunctionCall, Part};
use crate::Delta;
use crate::http::failure;
use crate::reply::WHOLE_BOUNDS;
use crate::reply::calls::{MAX_CALLS, TooManyCalls, Tools};
use crate::reply::decoder::{Payload, Wire, says_no_error};
use crate::reply::said::{Said, bad_reply};

/// Parts with a signature in one reply. More are a server that repeats itself.
const MAX_PARTS: usize = 4 * MAX_CALLS;

/// The chunks of one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chunks {
    parts: Vec<Kept>,
    calls: Vec<Call>,
    /// The last call's arguments go on.
    is_open: bool,
    finish_reason: Option<String>,
}

/// A part of the reply, as far as it says more than its text: where it stood, and its signature.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Text(Span),
    Thought(Span),
    /// With its number.
    Call(usize),
}

/// Bytes of the whole reply's text, or of its reasoning.
#[derive(Debug, Clone, Default, PartialEq)]
struct Span {
    start: usize,
    end: usize,
    signature: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Call {
    /// Newer models give their calls ids, and want them back.
    id: String,
    name: String,
    arguments: Map<String, Value>,
    /// What came in place of arguments that could be read.
    unreadable: Option<String>,
    signature: String,
}

type Deltas = VecDeque<Delta>;

impl Wire for Chunks {
    fn payload(&mut self, document: &Document<'_>, said: &mut Said, out: &mut Deltas) -> Result<(), Payload> {
        match document.read::<Chunk<'_>>() {
            Ok(Read { value, has_halves }) => Ok(self.chunk(value, has_halves, said, out)?),
            Err(Unreadable::Incomplete) => Err(Payload::Incomplete),
            // JSON that is no chunk says nothing of the reply.
            Err(_) => document.read::<Value>().map(drop).map_err(|_| Payload::Unreadable),
        }
    }

    fn whole(&mut self, document: &Document<'_>, said: &mut Said, out: &mut Deltas) -> Result<(), Payload> {
        let Ok(Read { value: chunk, has_halves }) = document.read::<Chunk<'_>>() else {
            return Err(Payload::Incomplete);
        };
        let answers = chunk.error.is_some() || !chunk.candidates.is_empty() || !chunk.prompt_feedback.is_empty();
        self.chunk(chunk, has_halves, said, out)?;
        if answers { Ok(()) } else { Err(Payload::Unreadable) }
    }

    fn may_end(&self, _: &Said) -> bool {
        false
    }

    fn into_reply(self, said: Said) -> ModelReply {
        let reason = self.finish_reason.as_deref().unwrap_or_default();
        let stop_reason = stop_reason(reason);
        // What such a reply holds of calls is not what the model meant.
        let announces_call = is_broken_call(reason);
        let calls = if announces_call || stop_reason == StopReason::Refusal { Vec::new() } else { self.calls };
        let provider_data = if calls.is_empty() && announces_call { None } else { kept(&self.parts) };
        let cut = stop_reason == StopReason::MaxTokens && self.is_open;
        let last = calls.len().saturating_sub(1);
        let tools = said.calls.tools();
        let calls = calls.into_iter().enumerate();
        let tool_calls = calls.map(|(at, call)| proposed(call, cut && at == last, tools)).collect();
        ModelReply {
            stop_reason,
            announces_call,
            tool_calls,
            usage: said.usage,
            cost: None,
            provider_data,
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
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        if let Some(error) = chunk.error.filter(|error| error.get() != "null" && !says_no_error(error)) {
            return Err(failure::in_stream(error.get()));
        }
        if let Some(usage) = chunk.usage_metadata.counted() {
            said.counted(usage);
        }
        if !chunk.prompt_feedback.is_empty() {
            return Err(blocked(&chunk.prompt_feedback));
        }
        // We never ask for others.
        let first = chunk.candidates.into_iter().find(|candidate| candidate.index.0.unwrap_or_default() == 0);
        let Some(Candidate { content, finish_reason, finish_message, index: _ }) = first else { return Ok(()) };
        for part in content.parts {
            self.part(part, has_halves, said, out)?;
        }
        if finish_reason.0.is_empty() || finish_reason.0 == "FINISH_REASON_UNSPECIFIED" {
            return Ok(());
        }
        said.finish();
        if let Some(error) = ended_badly(&finish_reason.0, &finish_message.0, said.something) {
            return Err(error);
        }
        self.finish_reason = Some(finish_reason.0.into_owned());
        Ok(())
    }

    fn part(&mut self, part: Part<'_>, has_halves: bool, said: &mut Said, out: &mut Deltas) -> Result<(), ModelError> {
        let signature = part.thought_signature.0;
        said.count(signature.len())?;
        if let Some(call) = part.function_call {
            return self.call(&call, &signature, said);
        }
        if let Some(data) = part.inline_data {
            let words = format!("[{} from the model, not kept]", data.mime_type.0);
            return self.text(&words, "", false, said, out);
        }
        if part.thought {
            let start = said.reasoning_bytes();
            said.reasoning(&part.text.0, has_halves, out)?;
            let end = said.reasoning_bytes();
            return self.keep(Kept::Thought(Span { start, end, signature: signature.into_owned() }));
        }
        self.text(&part.text.0, &signature, has_halves, said, out)
    }

    fn text(
        &mut self,
        text: &str,
        signature: &str,
        has_halves: bool,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        let start = said.text_bytes();
        said.text(text, has_halves, out)?;
        let end = said.text_bytes();
        self.keep(Kept::Text(Span { start, end, signature: signature.to_owned() }))
    }

    /// Keeps a part where it stood. Pieces of one text are one part; what has a signature stays as it came.
    fn keep(&mut self, part: Kept) -> Result<(), ModelError> {
        let is_full = self.parts.len() == MAX_PARTS;
        match (self.parts.last_mut(), &part) {
            (_, Kept::Text(span) | Kept::Thought(span)) if span.start == span.end && span.signature.is_empty() => {}
            (Some(Kept::Text(last)), Kept::Text(more)) | (Some(Kept::Thought(last)), Kept::Thought(more))
                if last.signature.is_empty() && more.signature.is_empty() =>
            {
                last.end = more.end;
            }
            _ if is_full => return Err(bad_reply(format!("the reply holds more than {MAX_PARTS} signed parts"))),
            _ => self.parts.push(part),
        }
        Ok(())
    }

    fn call(&mut self, call: &FunctionCall<'_>, signature: &str, said: &mut Said) -> Result<(), ModelError> {
        let name = call.name.0.trim();
        let goes_on = self.is_open && name.is_empty();
        if !goes_on {
            if self.calls.len() == MAX_CALLS {
                return Err(TooManyCalls.into());
            }
            self.keep(Kept::Call(self.calls.len()))?;
            self.calls.push(Call { id: call.id.0.to_string(), name: name.to_owned(), ..Call::default() });
        }
        self.is_open = call.will_continue;
        let Some(last) = self.calls.last_mut() else { return Ok(()) };
        if !signature.is_empty() {
            signature.clone_into(&mut last.signature);
        }
        let mut bytes = if goes_on { 0 } else { name.len() };
        if let Some(args) = call.args.filter(|args| args.get() != "null") {
            bytes += args.get().len();
            match json::object(args.get(), WHOLE_BOUNDS) {
                Ok(fields) => last.arguments.extend(fields),
                Err(_) => last.unreadable = Some(args.get().to_owned()),
            }
        }
        for piece in &call.partial_args {
            let raw = piece.string_value.or(piece.number_value);
            let value = match (raw, piece.bool_value) {
                (Some(raw), _) => json::from_slice(raw.get().as_bytes(), WHOLE_BOUNDS).unwrap_or_default(),
                (None, Some(flag)) => Value::Bool(flag),
                (None, None) => Value::Null,
            };
            bytes += raw.map_or(0, |raw| raw.get().len()) + piece.json_path.0.len();
            if !arguments::add(&mut last.arguments, &piece.json_path.0, value) {
                last.unreadable = Some(piece.json_path.0.to_string());
            }
        }
        // A call without arguments is one, too.
        said.something = true;
        said.count(bytes.max(1))
    }
}

impl Feedback<'_> {
    fn is_empty(&self) -> bool {
        self.block_reason.0.is_empty() || self.block_reason.0 == "BLOCKED_REASON_UNSPECIFIED"
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        // It goes on with a token that we do not ask for.
        "MAX_TOKENS" | "CONTINUATION" => StopReason::MaxTokens,
        _ if is_refusal(reason) => StopReason::Refusal,
        // Newer reasons than we know: the reply has ended.
        _ => StopReason::EndTurn,
    }
}

fn is_refusal(reason: &str) -> bool {
    const REASONS: [&str; 7] =
        ["SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"];
    REASONS.contains(&reason) || (reason.starts_with("IMAGE_") && reason != "IMAGE_OTHER")
}

/// The model meant to call a tool, and wrote what is no call.
fn is_broken_call(reason: &str) -> bool {
    matches!(reason, "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS")
}

/// An end that the user has to be told of. Where something was said, the stop reason tells it.
fn ended_badly(reason: &str, message: &str, said_something: bool) -> Option<ModelError> {
    let words = if message.is_empty() { String::new() } else { format!(": {message}") };
    let failed = |kind, text: &str| {
        let message = format!("{text} ({reason}{words})");
        Some(ModelError { kind, message, retry_after_ms: None })
    };
    match reason {
        "MALFORMED_RESPONSE" => failed(ModelErrorKind::BadReply, "the model's reply could not be read by its server"),
        "MISSING_THOUGHT_SIGNATURE" => {
            failed(ModelErrorKind::Refused, "the model's server misses a signature in the conversation")
        }
        _ if is_refusal(reason) && !said_something => {
            failed(ModelErrorKind::Refused, "the model's server held the reply back")
        }
        _ => None,
    }
}

fn blocked(feedback: &Feedback<'_>) -> ModelError {
    let reason = &feedback.block_reason.0;
    let message = match feedback.block_reason_message.0.as_ref() {
        "" => format!("the model's server blocked the prompt ({reason})"),
        words => format!("the model's server blocked the prompt ({reason}: {words})"),
    };
    ModelError { kind: ModelErrorKind::Refused, message, retry_after_ms: None }
}

fn proposed(call: Call, cut: bool, tools: &Tools) -> ProposedCall {
    let Call { id, name, arguments, unreadable, signature } = call;
    let mut own = Map::new();
    if !id.is_empty() {
        own.insert("id".to_owned(), Value::String(id));
    }
    if !signature.is_empty() {
        own.insert("thoughtSignature".to_owned(), Value::String(signature));
    }
    // Also where it is empty: that the call had no id is to be known.
    let own = Some(Value::Object(own));
    let arguments = Value::Object(arguments);
    let mut proposed = tools.call(&name, unreadable.clone().unwrap_or_else(|| arguments.to_string()), false, own);
    if cut || unreadable.is_some() {
        proposed.arguments = Err(unreadable.unwrap_or_else(|| arguments.to_string()));
    }
    proposed
}

/// What the provider wants back: the parts in order, where text and calls alone do not tell it.
fn kept(parts: &[Kept]) -> Option<Value> {
    let is_signed = |part: &Kept| match part {
        Kept::Text(span) | Kept::Thought(span) => !span.signature.is_empty(),
        Kept::Call(_) => false,
    };
    let texts_after_calls = parts.windows(2).any(|pair| matches!(pair, [Kept::Call(_), Kept::Text(_)]));
    if !(texts_after_calls || parts.iter().any(is_signed)) {
        return None;
    }
    let span = |kind: &str, Span { start, end, signature }: &Span| {
        let mut part = json!({ kind: [start, end] });
        if let (false, Value::Object(fields)) = (signature.is_empty(), &mut part) {
            fields.insert("thoughtSignature".to_owned(), Value::String(signature.clone()));
        }
        part
    };
    let part = |part: &Kept| match part {
        Kept::Text(text) => Some(span("text", text)),
        // Thoughts are for people: they go back only where they are signed.
        Kept::Thought(thought) if !thought.signature.is_empty() => Some(span("thought", thought)),
        Kept::Thought(_) => None,
        Kept::Call(number) => Some(json!({ "call": number })),
    };
    Some(json!({ "parts": parts.iter().filter_map(part).collect::<Vec<_>>() }))
}
