//! Bytes of a chat completion stream to deltas. Knows no network: pieces in, deltas out.

use std::collections::VecDeque;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{StopReason, Usage};

use super::calls::{Calls, MAX_CALLS, TooManyCalls};
use super::lines::{LineReader, LineTooLong, MAX_LINE_BYTES};
use super::wire::{Choice, Chunk, Delta as WireDelta, FinishReason};
use crate::Delta;
use crate::http::failure;

/// Most bytes of text, reasoning and arguments together.
pub(super) const MAX_REPLY_BYTES: usize = 32 << 20;

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
    /// Lines that are no SSE: a JSON body in place of the stream, or an error page.
    body: Vec<u8>,
    calls: Calls,
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
        if let Some(data) = line.strip_prefix(b"data:") {
            self.data(data.strip_prefix(b" ").unwrap_or(data), out)
        } else if line.is_empty() {
            self.dispatch(out)
        } else if line[0] == b':' || is_other_field(line) {
            Ok(())
        } else {
            self.body_line(line)
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
        self.payload(&event, out).map_err(|error| match error {
            Payload::Incomplete => not_json(&event),
            Payload::Failed(error) => error,
        })
    }

    fn payload(&mut self, data: &[u8], out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() {
            return Ok(());
        }
        if trimmed == b"[DONE]" {
            self.progress = Progress::Done;
            return Ok(());
        }
        match serde_json::from_slice::<Chunk<'_>>(trimmed) {
            Ok(chunk) => Ok(self.chunk(chunk, out)?),
            Err(error) if error.is_eof() => Err(Payload::Incomplete),
            // Some servers cut their tokens inside a character.
            Err(_) if std::str::from_utf8(trimmed).is_err() => {
                let text = String::from_utf8_lossy(trimmed);
                match serde_json::from_str::<Chunk<'_>>(&text) {
                    Ok(chunk) => Ok(self.chunk(chunk, out)?),
                    Err(_) => Err(not_json(trimmed).into()),
                }
            }
            Err(_) => Err(not_json(trimmed).into()),
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if let Some(error) = chunk.error {
            return Err(failure::in_stream(error.get()));
        }
        if let Some(usage) = chunk.usage.and_then(super::wire::WireUsage::counted) {
            self.usage = Some(usage);
        }
        let Some(Choice { delta, message, finish_reason, index: _ }) = chunk.choices.0 else {
            return Ok(());
        };
        self.delta(delta, out)?;
        if let Some(message) = message {
            self.delta(message, out)?;
        }
        match finish_reason {
            FinishReason::Absent => {}
            FinishReason::Null => self.announces_finish = true,
            FinishReason::Given(reason) if reason == "error" => {
                return Err(bad_reply("the provider ended the reply with an error".to_owned()));
            }
            FinishReason::Given(reason) => {
                self.finish_reason = Some(reason.into_owned());
                self.progress = Progress::Ending;
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: WireDelta<'_>, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        let WireDelta { content, reasoning_content, reasoning, reasoning_details, refusal, tool_calls } = delta;
        let mut bytes = 0;
        // A server that sends both sends the same text twice.
        if !reasoning_content.0.is_empty() {
            self.has_reasoning_content = true;
            bytes += push_reasoning(out, &reasoning_content.0);
        } else if !reasoning.0.is_empty() {
            bytes += push_reasoning(out, &reasoning.0);
        }
        bytes += push_reasoning(out, &content.reasoning);
        if let Some(details) = reasoning_details {
            bytes += self.keep_details(details.get());
        }
        bytes += push_text(out, &content.text);
        if !refusal.0.is_empty() {
            self.refused = true;
            bytes += push_text(out, &refusal.0);
        }
        if let Some(pieces) = tool_calls
            && !pieces.is_empty()
        {
            self.said_something = true;
            bytes += self.calls.add(pieces)?;
        }
        if bytes == 0 {
            return Ok(());
        }
        self.said_something = true;
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
        if line.starts_with(b"{\"error\"")
            && let Ok(Chunk { error: Some(error), .. }) = serde_json::from_slice(line)
        {
            return Err(failure::in_stream(error.get()));
        }
        Ok(())
    }

    fn finish(mut self, out: &mut VecDeque<Delta>) -> Result<ModelReply, ModelError> {
        if self.progress == Progress::Reading && !self.body.is_empty() && !self.said_something {
            self.whole_body(out)?;
        }
        match self.progress {
            Progress::Ending => Ok(self.into_reply()),
            Progress::Done if self.said_something || self.usage.is_some() || self.finish_reason.is_some() => Ok(self.into_reply()),
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
        let chunk = serde_json::from_slice::<Chunk<'_>>(&body).map_err(|_| not_json(&body))?;
        let answers = chunk.error.is_some() || chunk.choices.0.is_some();
        self.chunk(chunk, out)?;
        if answers { Ok(()) } else { Err(failure::not_a_stream(&body)) }
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

impl From<TooManyCalls> for ModelError {
    fn from(_: TooManyCalls) -> Self {
        bad_reply(format!("the reply holds more than {MAX_CALLS} tool calls"))
    }
}

fn is_other_field(line: &[u8]) -> bool {
    ["event", "id", "retry", "data"]
        .iter()
        .any(|field| line.strip_prefix(field.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b':'))
}

/// Whether a line says all that it meant to, though no line end followed it.
fn is_whole(line: &[u8]) -> bool {
    let data = line.strip_prefix(b"data:").unwrap_or(line);
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
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
    let fragments: Vec<Map<String, Value>> = serde_json::from_str(&format!("[{elements}]")).ok()?;
    let mut merged: Vec<Map<String, Value>> = Vec::new();
    for fragment in fragments {
        match merged.last_mut() {
            Some(last) if last.get("type") == fragment.get("type") && last.get("index") == fragment.get("index") => {
                merge_fragment(last, fragment);
            }
            _ => merged.push(fragment),
        }
    }
    (!merged.is_empty()).then(|| merged.into_iter().map(Value::Object).collect())
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
