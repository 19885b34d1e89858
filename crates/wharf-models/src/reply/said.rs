//! What a reply has said so far, on whichever wire it comes.

use std::collections::VecDeque;
use std::sync::Arc;

use wharf_foreign::json::Joined;
use wharf_protocol::model::{ModelError, ModelErrorKind};
use wharf_protocol::{CallCost, ToolSpec, Usage};

use super::MAX_REPLY_BYTES;
use super::calls::{Calls, MAX_CALLS, Piece, TooManyCalls};
use crate::Delta;

/// How far the reply is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    #[default]
    Reading,
    /// The model has finished. Usage, or an error, may still follow.
    Ending,
    /// The stream says that it is over.
    Done,
}

/// What came of a reply, with the limits on it. Texts leave as they come in; calls wait until they are whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) progress: Progress,
    pub(crate) calls: Calls,
    pub(crate) usage: Option<Usage>,
    /// What the provider says that it takes for the reply.
    pub(crate) cost: Option<CallCost>,
    /// Text, reasoning or a call came.
    pub(crate) something: bool,
    /// The model said why it stopped.
    pub(crate) finished: bool,
    /// Counts what the model's work brought; comments and empty chunks are none of it.
    pub(crate) steps: u64,
    text: Joined,
    reasoning: Joined,
    bytes: usize,
    text_bytes: usize,
    reasoning_bytes: usize,
}

impl Said {
    /// `tools`: what the model was offered.
    pub(crate) fn new(tools: Arc<[Arc<ToolSpec>]>) -> Self {
        Self { calls: Calls::new(tools), ..Self::default() }
    }

    /// More of the text. `has_halves` as the reader of the JSON tells it.
    pub(crate) fn text(&mut self, piece: &str, has_halves: bool, out: &mut VecDeque<Delta>) -> Result<(), ModelError> {
        let text = self.text.add(piece, has_halves);
        push_text(out, &text);
        self.text_bytes += text.len();
        self.count(text.len())
    }

    /// More of the reasoning.
    pub(crate) fn reasoning(
        &mut self,
        piece: &str,
        has_halves: bool,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let text = self.reasoning.add(piece, has_halves);
        push_reasoning(out, &text);
        self.reasoning_bytes += text.len();
        self.count(text.len())
    }

    /// How much of the text has come: where a part of the reply begins, or ends.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(crate) fn reasoning_bytes(&self) -> usize {
        self.reasoning_bytes
    }

    /// More of the calls: the pieces of one message of the server.
    pub(crate) fn pieces(&mut self, pieces: Vec<Piece<'_>>) -> Result<(), ModelError> {
        if pieces.is_empty() {
            return Ok(());
        }
        self.something = true;
        let bytes = self.calls.add(pieces)?;
        self.count(bytes)
    }

    /// What is kept beside texts and calls counts like them.
    pub(crate) fn count(&mut self, bytes: usize) -> Result<(), ModelError> {
        if bytes == 0 {
            return Ok(());
        }
        self.something = true;
        self.steps += 1;
        self.bytes += bytes;
        if self.bytes > MAX_REPLY_BYTES {
            return Err(bad_reply(format!("the reply holds more than {MAX_REPLY_BYTES} bytes")));
        }
        Ok(())
    }

    pub(crate) fn counted(&mut self, usage: Usage) {
        if self.usage != Some(usage) {
            self.usage = Some(usage);
            self.steps += 1;
        }
    }

    /// The model said why it stopped.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        if self.progress == Progress::Reading {
            self.steps += 1;
            self.progress = Progress::Ending;
        }
    }

    /// What was held back of the texts.
    pub(super) fn end(&mut self, out: &mut VecDeque<Delta>) {
        push_text(out, self.text.end());
        push_reasoning(out, self.reasoning.end());
    }
}

impl From<TooManyCalls> for ModelError {
    fn from(_: TooManyCalls) -> Self {
        bad_reply(format!("the reply holds more than {MAX_CALLS} tool calls"))
    }
}

pub(crate) fn bad_reply(message: String) -> ModelError {
    ModelError { kind: ModelErrorKind::BadReply, message, retry_after_ms: None }
}

fn push_text(out: &mut VecDeque<Delta>, text: &str) {
    if text.is_empty() {
        return;
    }
    match out.back_mut() {
        Some(Delta::Text(last)) => last.push_str(text),
        _ => out.push_back(Delta::Text(text.to_owned())),
    }
}

fn push_reasoning(out: &mut VecDeque<Delta>, text: &str) {
    if text.is_empty() {
        return;
    }
    match out.back_mut() {
        Some(Delta::Reasoning(last)) => last.push_str(text),
        _ => out.push_back(Delta::Reasoning(text.to_owned())),
    }
}
