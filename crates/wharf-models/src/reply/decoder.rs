//! Bytes of a stream to deltas, on any wire. Knows no network: pieces in, deltas out.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use wharf_foreign::json::{Document, Read};
use wharf_foreign::nesting::TooMuch;
use wharf_protocol::ToolSpec;
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};

use super::fields::{Field, is_keep_alive};
use super::lines::{LineReader, LineTooLong, MAX_LINE_BYTES};
use super::said::{Progress, Said, bad_reply};
use super::{EVENT_BOUNDS, WHOLE_BOUNDS};
use crate::Delta;
use crate::http::failure;

/// Most bytes of the stream, framing included: a server may put some hundred bytes around each token, not megabytes.
pub(crate) const MAX_STREAM_BYTES: u64 = 1 << 30;

/// Most bytes of an answer that is not an event stream.
const MAX_BODY_BYTES: usize = 4 << 20;

/// What one protocol makes of the payloads of its streams.
pub(crate) trait Wire: Default + Send + Unpin + 'static {
    /// One payload: the `data` of an event, or a line of it.
    fn payload(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload>;

    /// An answer that is one JSON document in place of a stream: a reply, or an error.
    fn whole(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload>;

    /// Whether a reply may be taken as it is where the stream ended and the model had not said why it stopped.
    fn may_end(&self, said: &Said) -> bool;

    fn into_reply(self, said: Said) -> ModelReply;
}

/// Why a payload was not taken in.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Valid so far: its event may go on in the next line.
    Incomplete,
    /// Nothing that the wire knows.
    Unreadable,
    Failed(ModelError),
}

impl From<ModelError> for Payload {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

/// Reads one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decoder<W> {
    lines: LineReader,
    reply: Reply<W>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Reply<W> {
    wire: W,
    said: Said,
    stream_bytes: u64,
    /// The lines of an event whose JSON spans several.
    event: Vec<u8>,
    /// The server called the event that is being read an error.
    is_error: bool,
    /// Lines that are no SSE: a JSON body in place of the stream, or an error page.
    body: Vec<u8>,
}

impl<W: Wire> Decoder<W> {
    /// `tools`: what the model was offered.
    pub(crate) fn new(wire: W, tools: Arc<[Arc<ToolSpec>]>) -> Self {
        let reply = Reply {
            wire,
            said: Said::new(tools),
            stream_bytes: 0,
            event: Vec::new(),
            is_error: false,
            body: Vec::new(),
        };
        Self { lines: LineReader::default(), reply }
    }

    /// Takes a piece of the body. Text that came in one piece leaves as one delta.
    pub(crate) fn feed(&mut self, piece: &[u8], out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        self.reply.stream_bytes += piece.len() as u64;
        if self.reply.stream_bytes > MAX_STREAM_BYTES {
            return Err(bad_reply(format!("the reply is longer than {MAX_STREAM_BYTES} bytes")));
        }
        let reply = &mut self.reply;
        self.lines.feed(piece, |line| reply.line(line, out))
    }

    pub(crate) fn progress(&self) -> Progress {
        self.reply.said.progress
    }

    /// Grows with everything that the model's work brought.
    pub(crate) fn steps(&self) -> u64 {
        self.reply.said.steps
    }

    /// Part of a long chunk has come, and the rest has not.
    pub(crate) fn is_amid_chunk(&self) -> bool {
        self.lines.partial().strip_prefix(b"data:").is_some_and(|data| !data.trim_ascii().is_empty())
    }

    /// The body has ended as HTTP ends one, or the reply is `Done`.
    pub(crate) fn end(mut self, out: &mut VecDeque<Delta>) -> Result<ModelReply, ModelError> {
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
                    Err(Payload::Unreadable) => reply.unread(&event).map(|()| false)?,
                    Err(Payload::Failed(error)) => return Err(error),
                }
            }
        };
        // Half a line after the finish reason takes nothing away.
        if cut && reply.said.progress == Progress::Reading {
            return Err(cut_off());
        }
        reply.finish(out)
    }

    /// The connection broke, or fell silent: the reply, if all of it had come before.
    pub(crate) fn broken(self, cause: ModelError) -> Result<ModelReply, ModelError> {
        let Reply { wire, said, .. } = self.reply;
        if said.progress == Progress::Reading { Err(cause) } else { Ok(wire.into_reply(said)) }
    }
}

impl<W: Wire> Reply<W> {
    fn line(&mut self, line: &[u8], out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        if self.said.progress == Progress::Done {
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
                Err(Payload::Unreadable) => return self.unread(data),
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
            Err(Payload::Incomplete | Payload::Unreadable) => self.unread(&event),
        }
    }

    /// What cannot be read is a broken reply; behind the reply's end it is nothing.
    fn unread(&self, data: &[u8]) -> Result<(), ModelError> {
        if self.said.progress == Progress::Ending { Ok(()) } else { Err(not_json(data.trim_ascii())) }
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
            self.said.progress = Progress::Done;
            return Ok(());
        }
        let document = Document::new(trimmed, EVENT_BOUNDS).map_err(too_much)?;
        self.wire.payload(&document, &mut self.said, out)
    }

    fn body_line(&mut self, line: &[u8]) -> Result<(), ModelError> {
        if self.body.len() + line.len() > MAX_BODY_BYTES {
            return Err(bad_reply("the answer is not an event stream".to_owned()));
        }
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        // An error that a server forgot to frame ends the stream where it stands.
        let may_be_error = line.starts_with(b"{\"error\"") || line.starts_with(b"{\"type\":\"error\"");
        match may_be_error.then(|| error_in(line)).flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn finish(mut self, out: &mut VecDeque<Delta>) -> Result<ModelReply, ModelError> {
        if self.said.progress == Progress::Reading && !self.body.is_empty() {
            if self.said.something {
                // Over several lines.
                error_in(&self.body).map_or(Ok(()), Err)?;
            } else {
                self.whole_body(out)?;
            }
        }
        self.said.end(out);
        let Self { wire, said, .. } = self;
        match said.progress {
            _ if said.finished || wire.may_end(&said) => Ok(wire.into_reply(said)),
            Progress::Done => Err(bad_reply("the reply is empty".to_owned())),
            Progress::Reading | Progress::Ending => Err(cut_off()),
        }
    }

    /// The answer was one JSON document: an error, or a reply from a server that does not stream.
    fn whole_body(&mut self, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        let body = std::mem::take(&mut self.body);
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(failure::not_a_stream(&body));
        }
        let document = Document::new(&body, WHOLE_BOUNDS).map_err(too_much)?;
        match self.wire.whole(&document, &mut self.said, out) {
            Ok(()) => Ok(()),
            Err(Payload::Failed(error)) => Err(error),
            Err(Payload::Incomplete) => Err(not_json(&body)),
            Err(Payload::Unreadable) => Err(failure::not_a_stream(&body)),
        }
    }
}

impl From<LineTooLong> for ModelError {
    fn from(_: LineTooLong) -> Self {
        bad_reply(format!("a line of the reply is longer than {MAX_LINE_BYTES} bytes"))
    }
}

pub(crate) fn too_much(error: TooMuch) -> ModelError {
    bad_reply(format!("a part of the reply is {error}"))
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

#[derive(Deserialize)]
struct Errored<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The error that some text is, if it is one.
fn error_in(text: &[u8]) -> Option<ModelError> {
    let document = Document::new(text, WHOLE_BOUNDS).ok()?;
    let Read { value: Errored { error }, .. } = document.read::<Errored<'_>>().ok()?;
    error.filter(|error| !says_no_error(error)).map(|error| failure::in_stream(error.get()))
}

/// Fields that are always there, and empty where all is well.
pub(crate) fn says_no_error(error: &RawValue) -> bool {
    matches!(error.get(), "\"\"" | "false" | "0" | "[]")
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
