//! Events of a Messages stream to what they say.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wharf_foreign::json::{Document, Read, Unreadable};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{StopReason, UnseenImages};

use super::blocks::{self, BLOCKS, MAX_BLOCKS};
use super::wire::{self, Delta as WireDelta, Event, StopDetails, Whole, WireUsage};
use crate::Delta;
use crate::http::failure;
use crate::reply::calls::Piece;
use crate::reply::decoder::{Payload, Wire, says_no_error};
use crate::reply::said::{Progress, Said};

/// Between two blocks of reasoning, which clients see as one text.
const BETWEEN: &str = "\n\n";

/// The events of one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Events {
    /// In the order in which they began. Told apart by their index: two may be open at once.
    blocks: Vec<Open>,
    calls: usize,
    usage: WireUsage,
    stop_reason: String,
}

/// A block that has begun.
#[derive(Debug, Clone, PartialEq)]
struct Open {
    index: Option<u64>,
    is_over: bool,
    kind: OpenKind,
}

#[derive(Debug, Clone, PartialEq)]
enum OpenKind {
    Thinking {
        from: usize,
        to: usize,
        signature: String,
    },
    Redacted {
        data: String,
    },
    Text {
        from: usize,
        to: usize,
    },
    Call {
        at: usize,
        /// The arguments that stood in the block's beginning: they count where none follow.
        input: String,
    },
    /// What the provider did by itself, and what is not known yet.
    Other,
}

impl Wire for Events {
    fn payload(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        match document.read::<Event<'_>>() {
            Ok(Read { value, has_halves }) => Ok(self.event(value, has_halves, said, out)?),
            Err(Unreadable::Incomplete) => Err(Payload::Incomplete),
            // JSON that is no event says nothing of the reply.
            Err(_) => document.read::<Value>().map(drop).map_err(|_| Payload::Unreadable),
        }
    }

    fn whole(&mut self, document: &Document<'_>, said: &mut Said, out: &mut VecDeque<Delta>) -> Result<(), Payload> {
        let Ok(Read { value: message, has_halves }) = document.read::<Whole<'_>>() else {
            return Err(Payload::Incomplete);
        };
        let Whole { content, stop_reason, stop_details, usage, error } = message;
        if let Some(error) = error.filter(|error| !says_no_error(error)) {
            return Err(failure::in_stream(error.get()).into());
        }
        let Some(content) = content else { return Err(Payload::Unreadable) };
        for (index, block) in (0..).zip(content) {
            self.begin(Some(index), block, has_halves, said, out)?;
            self.over(Some(index), said)?;
        }
        let reason = if stop_reason.0.is_empty() { Cow::Borrowed("end_turn") } else { stop_reason.0 };
        self.ends(&reason, &stop_details, said, out)?;
        self.count(usage, said);
        Ok(())
    }

    /// Without a stop reason the model had more to say.
    fn may_end(&self, _said: &Said) -> bool {
        false
    }

    fn into_reply(mut self, mut said: Said) -> ModelReply {
        // A server that ended no block ends all of them here. What is over the limit was counted as it came.
        for at in 0..self.blocks.len() {
            let _ = self.give_input(at, &mut said);
        }
        let stop_reason = match self.stop_reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
            "refusal" => StopReason::Refusal,
            _ => StopReason::EndTurn,
        };
        let mut tool_calls = said.calls.finish(stop_reason == StopReason::MaxTokens);
        let provider_data = self.provider_data(tool_calls.len());
        if stop_reason == StopReason::Refusal {
            // What it had begun before it refused is not what it means.
            tool_calls.clear();
        }
        ModelReply {
            stop_reason,
            // A pause is the provider's own: the model has more to do, and is asked again.
            announces_call: matches!(self.stop_reason.as_str(), "tool_use" | "pause_turn"),
            provider_data: provider_data.filter(|_| stop_reason != StopReason::Refusal),
            tool_calls,
            usage: said.usage,
            cost: None,
            unseen: UnseenImages::default(),
        }
    }
}

impl Events {
    fn event(
        &mut self,
        event: Event<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let Event { kind, index, message, content_block, delta, usage, error } = event;
        let index = index.0;
        if let Some(error) = error.filter(|error| !says_no_error(error)) {
            return Err(failure::in_stream(error.get()));
        }
        match kind.0.as_ref() {
            // Gateways send it twice: nothing of the reply is in it.
            "message_start" => self.count(message.usage, said),
            "content_block_start" => self.begin(index, content_block, has_halves, said, out)?,
            "content_block_delta" => self.more(index, delta, has_halves, said, out)?,
            "content_block_stop" => self.over(index, said)?,
            "message_delta" => {
                self.count(usage, said);
                if !delta.stop_reason.0.is_empty() {
                    self.ends(&delta.stop_reason.0, &delta.stop_details, said, out)?;
                }
            }
            "message_stop" => {
                said.finish();
                said.progress = Progress::Done;
            }
            "error" => return Err(failure::in_stream("")),
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, usage: WireUsage, said: &mut Said) {
        self.usage.update(usage);
        if let Some(usage) = self.usage.counted() {
            said.counted(usage);
        }
    }

    fn begin(
        &mut self,
        index: Option<u64>,
        block: wire::Block<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let wire::Block { kind, text, thinking, signature, data, id, name, input } = block;
        let is_again = index.is_some() && self.blocks.iter().any(|open| !open.is_over && open.index == index);
        if is_again {
            return Ok(());
        }
        match kind.0.as_ref() {
            "text" => {
                self.open(index, OpenKind::Text { from: said.text_bytes(), to: said.text_bytes() });
                self.text(index, &text.0, has_halves, said, out)
            }
            "thinking" => {
                self.open_thinking(index, said, out)?;
                self.thinking(index, &thinking.0, has_halves, said, out)?;
                self.signature(index, &signature.0, said)
            }
            "redacted_thinking" => {
                let data = data.0.into_owned();
                said.count(data.len())?;
                self.open(index, OpenKind::Redacted { data });
                Ok(())
            }
            "tool_use" => {
                let input = input.map(RawValue::get).filter(|input| input.starts_with('{')).unwrap_or_default();
                let is_empty = input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}'));
                let input = if is_empty { String::new() } else { input.to_owned() };
                self.open(index, OpenKind::Call { at: self.calls, input });
                self.calls += 1;
                said.pieces(vec![Piece { index, id: id.0, name: name.0, ..Piece::default() }])
            }
            other => {
                tracing::debug!(kind = other, "a block of a kind that is not known is passed over");
                self.open(index, OpenKind::Other);
                Ok(())
            }
        }
    }

    fn more(
        &mut self,
        index: Option<u64>,
        delta: WireDelta<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        match delta.kind.0.as_ref() {
            "text_delta" => self.text(index, &delta.text.0, has_halves, said, out),
            "thinking_delta" => self.thinking(index, &delta.thinking.0, has_halves, said, out),
            "signature_delta" => self.signature(index, &delta.signature.0, said),
            "input_json_delta" => self.arguments(index, delta.partial_json.0, has_halves, said),
            _ => Ok(()),
        }
    }

    fn text(
        &mut self,
        index: Option<u64>,
        piece: &str,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        if piece.is_empty() {
            return Ok(());
        }
        let at = match self.find(index, |kind| matches!(kind, OpenKind::Text { .. })) {
            Some(at) => at,
            None => self.open(index, OpenKind::Text { from: said.text_bytes(), to: said.text_bytes() }),
        };
        said.text(piece, has_halves, out)?;
        if let Some(Open { kind: OpenKind::Text { to, .. }, .. }) = self.blocks.get_mut(at) {
            *to = said.text_bytes();
        }
        Ok(())
    }

    fn thinking(
        &mut self,
        index: Option<u64>,
        piece: &str,
        has_halves: bool,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        if piece.is_empty() {
            return Ok(());
        }
        let at = match self.find(index, |kind| matches!(kind, OpenKind::Thinking { .. })) {
            Some(at) => at,
            None => self.open_thinking(index, said, out)?,
        };
        said.reasoning(piece, has_halves, out)?;
        if let Some(Open { kind: OpenKind::Thinking { to, .. }, .. }) = self.blocks.get_mut(at) {
            *to = said.reasoning_bytes();
        }
        Ok(())
    }

    fn open_thinking(
        &mut self,
        index: Option<u64>,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<usize, ModelError> {
        if said.reasoning_bytes() > 0 {
            said.reasoning(BETWEEN, false, out)?;
        }
        let (from, to) = (said.reasoning_bytes(), said.reasoning_bytes());
        Ok(self.open(index, OpenKind::Thinking { from, to, signature: String::new() }))
    }

    fn signature(&mut self, index: Option<u64>, piece: &str, said: &mut Said) -> Result<(), ModelError> {
        let Some(at) = self.find(index, |kind| matches!(kind, OpenKind::Thinking { .. })) else { return Ok(()) };
        if let Some(Open { kind: OpenKind::Thinking { signature, .. }, .. }) = self.blocks.get_mut(at) {
            signature.push_str(piece);
        }
        said.count(piece.len())
    }

    fn arguments(
        &mut self,
        index: Option<u64>,
        piece: Cow<'_, str>,
        has_halves: bool,
        said: &mut Said,
    ) -> Result<(), ModelError> {
        let Some(at) = self.find(index, |kind| matches!(kind, OpenKind::Call { .. })) else { return Ok(()) };
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(Open { kind: OpenKind::Call { input, .. }, .. }) = self.blocks.get_mut(at) {
            input.clear();
        }
        said.pieces(vec![Piece { index, arguments: piece, has_halves, ..Piece::default() }])
    }

    fn over(&mut self, index: Option<u64>, said: &mut Said) -> Result<(), ModelError> {
        let Some(at) = self.blocks.iter().rposition(|open| open.index == index) else { return Ok(()) };
        self.give_input(at, said)?;
        self.blocks[at].is_over = true;
        Ok(())
    }

    /// Arguments that came whole.
    fn give_input(&mut self, at: usize, said: &mut Said) -> Result<(), ModelError> {
        let Some(Open { index, kind: OpenKind::Call { input, .. }, .. }) = self.blocks.get_mut(at) else {
            return Ok(());
        };
        let (index, input) = (*index, std::mem::take(input));
        if input.is_empty() {
            return Ok(());
        }
        said.pieces(vec![Piece { index, arguments: Cow::Owned(input), ..Piece::default() }])
    }

    fn ends(
        &mut self,
        reason: &str,
        details: &StopDetails<'_>,
        said: &mut Said,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        if reason == "model_context_window_exceeded" && !said.something {
            return Err(ModelError {
                kind: ModelErrorKind::ContextOverflow { limit: None, asked: None },
                message: "the request and its reply do not fit into the model's window".to_owned(),
                retry_after_ms: None,
            });
        }
        if reason == "refusal" {
            let StopDetails { category, explanation } = details;
            let mut why = if said.text_bytes() > 0 { "\n\n".to_owned() } else { String::new() };
            match (explanation.0.as_ref(), category.0.as_ref()) {
                ("", "") => why.push_str("The provider refused to answer."),
                ("", category) => why.push_str(&format!("The provider refused to answer ({category}).")),
                (explanation, _) => why.push_str(explanation),
            }
            said.text(&why, false, out)?;
        }
        reason.clone_into(&mut self.stop_reason);
        said.finish();
        Ok(())
    }

    fn open(&mut self, index: Option<u64>, kind: OpenKind) -> usize {
        self.blocks.push(Open { index, is_over: false, kind });
        self.blocks.len() - 1
    }

    /// The block that a piece goes on with: the newest of its index and kind.
    fn find(&self, index: Option<u64>, is_kind: impl Fn(&OpenKind) -> bool) -> Option<usize> {
        self.blocks.iter().rposition(|open| open.index == index && is_kind(&open.kind))
    }

    /// What goes back with the message: the order of its blocks, where one of them is the model's own.
    fn provider_data(&self, calls: usize) -> Option<Value> {
        let has_own = |open: &Open| matches!(open.kind, OpenKind::Thinking { .. } | OpenKind::Redacted { .. });
        if !self.blocks.iter().any(has_own) || calls != self.calls || self.blocks.len() > MAX_BLOCKS {
            return None;
        }
        let block = |open: &Open| match &open.kind {
            OpenKind::Thinking { from, to, signature } => {
                Some(blocks::Block::Thinking { from: *from, to: *to, signature: signature.clone() })
            }
            OpenKind::Redacted { data } => Some(blocks::Block::Redacted { data: data.clone() }),
            OpenKind::Text { from, to } if from == to => None,
            OpenKind::Text { from, to } => Some(blocks::Block::Text { from: *from, to: *to }),
            OpenKind::Call { at, .. } => Some(blocks::Block::Call { at: *at }),
            OpenKind::Other => None,
        };
        let list: Vec<blocks::Block> = self.blocks.iter().filter_map(block).collect();
        Some(Value::Object(Map::from_iter([(BLOCKS.to_owned(), blocks::written(&list))])))
    }
}
