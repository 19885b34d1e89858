//! Bytes of a chat completion stream to deltas. Knows no network: pieces in, deltas out.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wharf_foreign::json::{self, Document, Joined, Read, Unreadable};
use wharf_foreign::nesting::TooMuch;
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{StopReason, ToolSpec, Usage};

use super::wire::{self, CallPiece, Choice, Chunk, Delta as WireDelta, FinishReason};
use crate::Delta;
use crate::http::failure;
use crate::reply::calls::{Calls, MAX_CALLS, Piece, TooManyCalls};
use crate::reply::fields::{Field, is_keep_alive};
use crate::reply::lines::{LineReader, LineTooLong, MAX_LINE_BYTES};
use crate::reply::{EVENT_BOUNDS, MAX_REPLY_BYTES, WHOLE_BOUNDS};

/// Most bytes of the stream, framing included: a server may put some hundred bytes around each token, not megabytes.
pub(super) const MAX_STREAM_BYTES: u64 = 1 << 30;

/// Most bytes of an answer that is not an event stream.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Reads one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoder {
    lines: LineReader,
    reply: Reply,
}

/// How far the reply is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Progress {
    #[default]
    Reading,
    /// A finish reason came. Usage, or an error, may still follow.
    Ending,
    /// `[DONE]` came.
    Done,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Reply {
    progress: Progress,
    stream_bytes: u64,
    reply_bytes: usize,
    /// The lines of an event whose JSON spans several.
    event: Vec<u8>,
    /// The server called the event that is being read an error.
    is_error: bool,
    /// Lines that are no SSE: a JSON body in place of the stream, or an error page.
    body: Vec<u8>,
    calls: Calls,
    text: Joined,
    reasoning: Joined,
    /// A choice had a `delta`: what a `message` says has been said.
    has_delta: bool,
    /// Counts what the model's work brought; comments and empty chunks are none of it.
    steps: u64,
    finish_reason: Option<String>,
    /// The server wrote `finish_reason: null`: it knows the field, so an end without a reason is a cut.
    announces_finish: bool,
    said_something: bool,
    refused: bool,
    usage: Option<Usage>,
    has_reasoning_content: bool,
    /// The elements of all `reasoning_details` arrays, separated by commas.
    reasoning_details: String,
}

impl Decoder {
    /// `tools`: what the model was offered.
    pub(super) fn new(tools: Arc<[Arc<ToolSpec>]>) -> Self {
        Self { reply: Reply { calls: Calls::new(tools), ..Reply::default() }, ..Self::default() }
    }

    /// Takes a piece of the body. Text that came in one piece leaves as one delta.
    pub(super) fn feed(&mut self, piece: &[u8], out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        self.reply.stream_bytes += piece.len() as u64;
        if self.reply.stream_bytes > MAX_STREAM_BYTES {
            return Err(bad_reply(format!("the reply is longer than {MAX_STREAM_BYTES} bytes")));
        }
        let reply = &mut self.reply;
        self.lines.feed(piece, |line| reply.line(line, out))
    }

    pub(super) fn progress(&self) -> Progress {
        self.reply.progress
    }

    /// Grows with everything that the model's work brought.
    pub(super) fn steps(&self) -> u64 {
        self.reply.steps
    }

    /// Part of a long chunk has come, and the rest has not.
    pub(super) fn is_amid_chunk(&self) -> bool {
        self.lines.partial().strip_prefix(b"data:").is_some_and(|data| !data.trim_ascii().is_empty())
    }

    /// The body has ended as HTTP ends one, or the reply is `Done`.
    pub(super) fn end(mut self, out: &mut VecDeque<Delta>) -> Result<ModelReply, ModelError> {
        let last_line = self.lines.finish();
        let mut reply = self.reply;
        let cut = match reply.line(&last_line, out) {
            Err(error) if is_whole(&last_line) => return Err(error),
            Err(_) => true,
            Ok(()) => {
                let event = std::mem::take(&mut reply.event);
                match reply.payload(&event, out) {
                    Ok(()) => false,
                    Err(Payload::Incomplete) => true,
                    Err(Payload::Failed(error)) => return Err(error),
                }
            }
        };
        // Half a line after the finish reason takes nothing away.
        if cut && reply.progress == Progress::Reading {
            return Err(cut_off());
        }
        reply.finish(out)
    }

    /// The connection broke, or fell silent: the reply, if all of it had come before.
    pub(super) fn broken(self, cause: ModelError) -> Result<ModelReply, ModelError> {
        if self.reply.progress == Progress::Reading { Err(cause) } else { Ok(self.reply.into_reply()) }
    }
}

impl Reply {
    fn line(&mut self, line: &[u8], out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if self.progress == Progress::Done {
            return Ok(());
        }
        match Field::of(line) {
            Field::Data(data) => self.data(data, out),
            Field::End => {
                let ended = self.dispatch(out);
                self.is_error = false;
                ended
            }
            Field::Event(name) => {
                self.is_error = name.eq_ignore_ascii_case(b"error");
                Ok(())
            }
            Field::Error(error) => Err(failure::in_stream(&String::from_utf8_lossy(error))),
            Field::Nothing => Ok(()),
            // A raw line end inside a string of the chunk that is being read.
            Field::Stray(rest) if !self.event.is_empty() => self.data(rest, out),
            Field::Stray(line) => self.body_line(line),
        }
    }

    /// Every chunk is one line in practice, so it is read where it lies; what is not whole waits for its event's end.
    fn data(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if self.event.is_empty() {
            match self.payload(data, out) {
                Err(Payload::Incomplete) => {}
                Err(Payload::Failed(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        if self.event.len() + data.len() > MAX_LINE_BYTES {
            return Err(LineTooLong.into());
        }
        if !self.event.is_empty() {
            self.event.push(b'\n');
        }
        self.event.extend_from_slice(data);
        Ok(())
    }

    /// The end of an event that spanned several lines.
    fn dispatch(&mut self, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if self.event.is_empty() {
            return Ok(());
        }
        let event = std::mem::take(&mut self.event);
        match self.payload(&event, out) {
            Ok(()) => Ok(()),
            Err(Payload::Failed(error)) => Err(error),
            Err(Payload::Incomplete) if self.progress == Progress::Ending => Ok(()),
            Err(Payload::Incomplete) => Err(not_json(&event)),
        }
    }

    fn payload(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() || is_keep_alive(trimmed) {
            return Ok(());
        }
        if self.is_error && trimmed != b"[DONE]" {
            return Err(failure::in_stream(&String::from_utf8_lossy(trimmed)).into());
        }
        if trimmed == b"[DONE]" || trimmed == b"\"[DONE]\"" {
            self.progress = Progress::Done;
            return Ok(());
        }
        let document = Document::new(trimmed, EVENT_BOUNDS).map_err(too_much)?;
        match document.read::<Chunk<'_>>() {
            Ok(Read { value, has_halves }) => Ok(self.chunk(value, has_halves, out)?),
            Err(Unreadable::Incomplete) => Err(Payload::Incomplete),
            Err(_) => match document.read::<Value>() {
                Ok(Read { value: Value::Object(chunk), has_halves }) => {
                    let text = Value::Object(wire::salvaged(chunk)).to_string();
                    match serde_json::from_str(&text) {
                        Ok(chunk) => Ok(self.chunk(chunk, has_halves, out)?),
                        Err(_) => self.unread(trimmed),
                    }
                }
                // JSON that is no chunk says nothing of the reply.
                Ok(_) => Ok(()),
                Err(_) => self.unread(trimmed),
            },
        }
    }

    /// What cannot be read is a broken reply; behind the reply's end it is nothing.
    fn unread(&self, data: &[u8]) -> Result<(), Payload> {
        if self.progress == Progress::Ending { Ok(()) } else { Err(not_json(data).into()) }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, has_halves: bool, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if let Some(error) = chunk.error.filter(|error| !says_no_error(error)) {
            return Err(failure::in_stream(error.get()));
        }
        if chunk.choices.0.is_none() && (chunk.object.0 == "error" || chunk.kind.0 == "error") {
            return Err(failure::in_stream(chunk.message.map_or("", RawValue::get)));
        }
        if let Some(usage) = chunk.usage.and_then(wire::WireUsage::counted)
            && self.usage != Some(usage)
        {
            self.usage = Some(usage);
            self.steps += 1;
        }
        let Some(Choice { delta, message, finish_reason, index: _ }) = chunk.choices.0 else {
            return Ok(());
        };
        if let Some(delta) = delta {
            self.has_delta = true;
            self.delta(delta, has_halves, out)?;
        }
        let is_last = matches!(finish_reason, FinishReason::Given(_));
        if let Some(mut message) = message {
            // Beside deltas it repeats them, or brings at the end what they left out.
            if self.has_delta {
                let has_calls = !self.calls.is_empty();
                if self.said_something {
                    message = WireDelta { tool_calls: message.tool_calls, ..WireDelta::default() };
                }
                message.tool_calls = message.tool_calls.filter(|_| !has_calls);
            }
            if !self.has_delta || is_last {
                self.delta(message, has_halves, out)?;
            }
        }
        match finish_reason {
            FinishReason::Absent => {}
            FinishReason::Null => self.announces_finish = true,
            FinishReason::Given(reason) if reason == "error" => {
                return Err(bad_reply("the provider ended the reply with an error".to_owned()));
            }
            FinishReason::Given(reason) => {
                self.steps += u64::from(self.progress == Progress::Reading);
                self.finish_reason = Some(reason.into_owned());
                self.progress = Progress::Ending;
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: WireDelta<'_>, has_halves: bool, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        let WireDelta { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls } = delta;
        let mut bytes = 0;
        // A server that sends both sends the same text twice.
        if !reasoning_content.0.is_empty() {
            self.has_reasoning_content = true;
            bytes += push_reasoning(out, &self.reasoning.add(&reasoning_content.0, has_halves));
        } else if !reasoning.0.is_empty() {
            bytes += push_reasoning(out, &self.reasoning.add(&reasoning.0, has_halves));
        }
        bytes += push_reasoning(out, &self.reasoning.add(&content.reasoning, has_halves));
        if let Some(details) = reasoning_details {
            bytes += self.keep_details(details.get());
        }
        bytes += push_text(out, &self.text.add(&content.text, has_halves));
        if !refusal.0.is_empty() {
            self.refused = true;
            bytes += push_text(out, &self.text.add(&refusal.0, has_halves));
        }
        if let Some(pieces) = tool_calls
            && !pieces.is_empty()
        {
            self.said_something = true;
            bytes += self.calls.add(pieces.into_iter().map(|piece| piece_of(piece, has_halves)).collect())?;
        }
        if bytes == 0 {
            return Ok(());
        }
        self.said_something = true;
        self.steps += 1;
        self.reply_bytes += bytes;
        if self.reply_bytes > MAX_REPLY_BYTES {
            return Err(bad_reply(format!("the reply holds more than {MAX_REPLY_BYTES} bytes")));
        }
        Ok(())
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

    fn body_line(&mut self, line: &[u8]) -> Result<(), ModelError> {
        if self.body.len() + line.len() > MAX_BODY_BYTES {
            return Err(bad_reply("the answer is not an event stream".to_owned()));
        }
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        // An error that a server forgot to frame ends the stream where it stands.
        match line.starts_with(b"{\"error\"").then(|| error_in(line)).flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn finish(mut self, out: &mut VecDeque<Delta>) -> Result<ModelReply, ModelError> {
        if self.progress == Progress::Reading && !self.body.is_empty() {
            if self.said_something {
                // Over several lines.
                error_in(&self.body).map_or(Ok(()), Err)?;
            } else {
                self.whole_body(out)?;
            }
        }
        push_text(out, self.text.end());
        push_reasoning(out, self.reasoning.end());
        match self.progress {
            Progress::Ending => Ok(self.into_reply()),
            Progress::Done if self.said_something || self.usage.is_some() || self.finish_reason.is_some() => {
                Ok(self.into_reply())
            }
            Progress::Done => Err(bad_reply("the reply is empty".to_owned())),
            Progress::Reading if self.announces_finish || !self.said_something || !self.calls.last_is_whole() => {
                Err(cut_off())
            }
            Progress::Reading => Ok(self.into_reply()),
        }
    }

    /// The answer was one JSON document: an error, or a reply from a server that does not stream.
    fn whole_body(&mut self, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        let body = std::mem::take(&mut self.body);
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(failure::not_a_stream(&body));
        }
        let document = Document::new(&body, WHOLE_BOUNDS).map_err(too_much)?;
        let mut take = |chunk: Chunk<'_>, has_halves| {
            let answers = chunk.error.is_some() || chunk.choices.0.is_some();
            self.chunk(chunk, has_halves, out)?;
            if answers { Ok(()) } else { Err(failure::not_a_stream(&body)) }
        };
        if let Ok(Read { value: chunk, has_halves }) = document.read::<Chunk<'_>>() {
            return take(chunk, has_halves);
        }
        let Ok(Read { value: Value::Object(chunk), has_halves }) = document.read::<Value>() else {
            return Err(not_json(&body));
        };
        let text = Value::Object(wire::salvaged(chunk)).to_string();
        take(serde_json::from_str(&text).map_err(|_| not_json(&body))?, has_halves)
    }

    fn into_reply(self) -> ModelReply {
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
        if self.has_reasoning_content && !self.calls.is_empty() {
            provider_data.insert("reasoning_content".to_owned(), Value::Bool(true));
        }
        ModelReply {
            stop_reason,
            announces_call: matches!(reason, "tool_calls" | "function_call" | "tool_use"),
            tool_calls: self.calls.finish(stop_reason == StopReason::MaxTokens),
            usage: self.usage,
            provider_data: (!provider_data.is_empty()).then_some(Value::Object(provider_data)),
        }
    }
}

/// Why a payload was not taken in.
enum Payload {
    /// Valid so far: its event may go on in the next line.
    Incomplete,
    Failed(ModelError),
}

impl From<ModelError> for Payload {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

impl From<LineTooLong> for ModelError {
    fn from(_: LineTooLong) -> Self {
        bad_reply(format!("a line of the reply is longer than {MAX_LINE_BYTES} bytes"))
    }
}

fn too_much(error: TooMuch) -> ModelError {
    bad_reply(format!("a part of the reply is {error}"))
}

impl From<TooManyCalls> for ModelError {
    fn from(_: TooManyCalls) -> Self {
        bad_reply(format!("the reply holds more than {MAX_CALLS} tool calls"))
    }
}

/// Whether a line says all that it meant to, though no line end followed it.
fn is_whole(line: &[u8]) -> bool {
    match Field::of(line) {
        Field::Error(_) => true,
        Field::Data(data) => {
            Document::new(data, EVENT_BOUNDS).is_ok_and(|document| document.read::<&RawValue>().is_ok())
        }
        _ => Document::new(line, EVENT_BOUNDS).is_ok_and(|document| document.read::<&RawValue>().is_ok()),
    }
}

/// The error that some text is, if it is one.
fn error_in(text: &[u8]) -> Option<ModelError> {
    let document = Document::new(text, WHOLE_BOUNDS).ok()?;
    let Read { value: Chunk { error, .. }, .. } = document.read::<Chunk<'_>>().ok()?;
    error.filter(|error| !says_no_error(error)).map(|error| failure::in_stream(error.get()))
}

/// Fields that are always there, and empty where all is well.
fn says_no_error(error: &RawValue) -> bool {
    matches!(error.get(), "\"\"" | "false" | "0" | "[]")
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

fn push_text(out: &mut VecDeque<Delta>, text: &str) -> usize {
    if text.is_empty() {
        return 0;
    }
    match out.back_mut() {
        Some(Delta::Text(last)) => last.push_str(text),
        _ => out.push_back(Delta::Text(text.to_owned())),
    }
    text.len()
}

fn push_reasoning(out: &mut VecDeque<Delta>, text: &str) -> usize {
    if text.is_empty() {
        return 0;
    }
    match out.back_mut() {
        Some(Delta::Reasoning(last)) => last.push_str(text),
        _ => out.push_back(Delta::Reasoning(text.to_owned())),
    }
    text.len()
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

fn bad_reply(message: String) -> ModelError {
    ModelError { kind: ModelErrorKind::BadReply, message, retry_after_ms: None }
}

fn not_json(data: &[u8]) -> ModelError {
    bad_reply(format!("the reply holds a line that is not JSON: {}", failure::excerpt(data)))
}

/// The stream ended, and the model had not.
fn cut_off() -> ModelError {
    ModelError {
        kind: ModelErrorKind::Connection,
        message: "the reply ended before the model had finished".to_owned(),
        retry_after_ms: None,
    }
}
