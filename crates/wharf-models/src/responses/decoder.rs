//! Events of a Responses stream to what they say.

use std::collections::VecDeque;

use serde_json::Value;
use serde_json::value::RawValue;
use wharf_foreign::json::{self, Document, Read, Unreadable};
use wharf_protocol::model::{ModelError, ModelReply};
use wharf_protocol::{StopReason, UnseenImages};

use super::items::{Open, Source, finished};
use super::wire::{self, Event, Item, Kind, Response};
use crate::Delta;
use crate::http::failure;
use crate::reply::calls::MAX_CALLS;
use crate::reply::decoder::{Payload, Wire};
use crate::reply::said::{Progress, Said, bad_reply};
use crate::reply::{EVENT_BOUNDS, WHOLE_BOUNDS};

/// Items of one reply. More are a server that repeats itself.
const MAX_ITEMS: usize = 4 * MAX_CALLS;

/// Between two messages, or two pieces of reasoning, that come in one reply.
const BETWEEN: &str = "\n\n";

/// The events of one reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Events {
    items: Vec<Open>,
    refused: bool,
    /// Why the reply is incomplete, where it is.
    incomplete: Option<String>,
}

type Deltas = VecDeque<Delta>;

impl Wire for Events {
    fn payload(&mut self, document: &Document<'_>, said: &mut Said, out: &mut Deltas) -> Result<(), Payload> {
        match document.read::<Event<'_>>() {
            Ok(Read { value, has_halves }) => {
                if value.kind.0 == "error" || (value.kind.0.is_empty() && value.error.is_some_and(is_error)) {
                    return Err(in_stream(document).into());
                }
                Ok(self.event(&value, has_halves, said, out)?)
            }
            Err(Unreadable::Incomplete) => Err(Payload::Incomplete),
            // JSON that is no event says nothing of the reply.
            Err(_) => document.read::<Value>().map(drop).map_err(|_| Payload::Unreadable),
        }
    }

    fn whole(&mut self, document: &Document<'_>, said: &mut Said, out: &mut Deltas) -> Result<(), Payload> {
        let Ok(Read { value: event, .. }) = document.read::<Event<'_>>() else { return Err(Payload::Incomplete) };
        let Ok(Read { value: response, .. }) = document.read::<Response<'_>>() else { return Err(Payload::Incomplete) };
        if event.object.0 == "response" {
            let ending = wire::ending(&response.status.0);
            return Ok(self.end(ending, &response, said, out)?);
        }
        if event.error.is_some_and(is_error) { Err(in_stream(document).into()) } else { Err(Payload::Unreadable) }
    }

    /// The last event says how the reply ended: without it, it has not.
    fn may_end(&self, _: &Said) -> bool {
        false
    }

    fn into_reply(self, said: Said) -> ModelReply {
        let reason = self.incomplete.as_deref();
        let stop_reason = match reason {
            Some("content_filter") => StopReason::Refusal,
            Some("max_output_tokens" | "max_tokens" | "length") => StopReason::MaxTokens,
            _ if self.refused => StopReason::Refusal,
            _ => StopReason::EndTurn,
        };
        let (tool_calls, provider_data) = finished(self.items, said.calls.tools(), reason.is_some());
        ModelReply {
            stop_reason,
            announces_call: false,
            tool_calls,
            usage: said.usage,
            cost: None,
            provider_data,
            unseen: UnseenImages::default(),
        }
    }
}

impl Events {
    fn event(
        &mut self,
        event: &Event<'_>,
        has_halves: bool,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        match event.kind.0.as_ref() {
            "response.output_item.added" => {
                if let Some(item) = event.item.and_then(read_item) {
                    let at = self.of_item(&item, event.output_index.0, said)?;
                    self.items[at].learn(&item);
                    said.count(item.text("name").len() + item.text("arguments").len())?;
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item.and_then(read_item) {
                    let at = self.of_item(&item, event.output_index.0, said)?;
                    self.item_done(at, item, said, out)?;
                }
            }
            "response.output_text.delta" => self.text(event, &event.delta.0, has_halves, said, out)?,
            "response.refusal.delta" => {
                self.refused = true;
                self.text(event, &event.delta.0, has_halves, said, out)?;
            }
            "response.reasoning_summary_text.delta" => {
                let source = Source::Summary(event.summary_index.0.unwrap_or_default());
                self.reasoning(event, source, has_halves, said, out)?;
            }
            "response.reasoning_text.delta" => self.reasoning(event, Source::Text, has_halves, said, out)?,
            "response.function_call_arguments.delta" => {
                let at = self.of_event(event, Kind::Call, said)?;
                let arguments = &mut self.items[at].call.arguments;
                arguments.push_str(&event.delta.0);
                said.count(event.delta.0.len())?;
            }
            "response.function_call_arguments.done" if !event.arguments.0.is_empty() => {
                let at = self.of_event(event, Kind::Call, said)?;
                self.items[at].call.arguments = event.arguments.0.to_string();
            }
            ending @ ("response.completed" | "response.incomplete" | "response.failed" | "response.cancelled") => {
                let document = event.response.map(|response| Document::new(response.get().as_bytes(), WHOLE_BOUNDS));
                let response =
                    document.as_ref().and_then(|document| document.as_ref().ok()?.read::<Response<'_>>().ok());
                self.end(ending, &response.map(|read| read.value).unwrap_or_default(), said, out)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// More of a message.
    fn text(
        &mut self,
        event: &Event<'_>,
        piece: &str,
        has_halves: bool,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        let at = self.of_event(event, Kind::Message, said)?;
        self.show(at, piece, has_halves, said, out)
    }

    fn reasoning(
        &mut self,
        event: &Event<'_>,
        source: Source,
        has_halves: bool,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        let at = self.of_event(event, Kind::Reasoning, said)?;
        let item = &mut self.items[at];
        match (item.source.replace(source), source) {
            (Some(Source::Summary(part)), Source::Summary(next)) if part != next => {
                self.show(at, BETWEEN, false, said, out)?;
            }
            // The other one was first, and says it.
            (Some(Source::Summary(part)), Source::Text) => {
                item.source = Some(Source::Summary(part));
                return Ok(());
            }
            (Some(Source::Text), Source::Summary(_)) => {
                item.source = Some(Source::Text);
                return Ok(());
            }
            _ => {}
        }
        self.show(at, &event.delta.0, has_halves, said, out)
    }

    /// Shows more of an item.
    fn show(
        &mut self,
        at: usize,
        piece: &str,
        has_halves: bool,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        if piece.is_empty() {
            return Ok(());
        }
        let kind = self.items[at].kind;
        let is_first = self.items[at].shown.is_empty();
        let follows = is_first && self.items.iter().any(|item| item.kind == kind && !item.shown.is_empty());
        let item = &mut self.items[at];
        item.shown.push_str(piece);
        if kind == Kind::Reasoning {
            if follows {
                said.reasoning(BETWEEN, false, out)?;
            }
            return said.reasoning(piece, has_halves, out);
        }
        if follows {
            said.text(BETWEEN, false, out)?;
        }
        if is_first {
            item.start = said.text_bytes();
        }
        said.text(piece, has_halves, out)?;
        item.end = said.text_bytes();
        Ok(())
    }

    /// An item is whole: what was not shown of it is.
    fn item_done(&mut self, at: usize, item: Item, said: &mut Said, out: &mut Deltas) -> Result<(), ModelError> {
        let open = &mut self.items[at];
        open.learn(&item);
        self.refused |= open.kind == Kind::Message && item.refuses();
        if let Some(words) = open.words(&item)
            && let Some(rest) = words.strip_prefix(open.shown.as_str())
        {
            self.show(at, rest, false, said, out)?;
        }
        let kept = opaque_bytes(&item);
        let open = &mut self.items[at];
        let first = open.whole.is_none();
        // One provider sends the encrypted reasoning with the last event only.
        if first || item.0.contains_key("encrypted_content") {
            open.whole = Some(item.0);
        }
        if first { said.count(kept) } else { Ok(()) }
    }

    fn end(
        &mut self,
        ending: &str,
        response: &Response<'_>,
        said: &mut Said,
        out: &mut Deltas,
    ) -> Result<(), ModelError> {
        if let Some(usage) = response.usage.and_then(wire::WireUsage::counted) {
            said.counted(usage);
        }
        if matches!(ending, "response.failed" | "response.cancelled") {
            return Err(match response.error.filter(|error| is_error(error)) {
                Some(error) => failure::in_stream(error.get()),
                None => bad_reply("the provider broke the reply off".to_owned()),
            });
        }
        let mut listed = vec![false; self.items.len()];
        for item in response.output.into_iter().flat_map(read_items) {
            let at = self.listed(&item, &mut listed, said)?;
            self.item_done(at, item, said, out)?;
        }
        if ending == "response.incomplete" {
            let details = response.incomplete_details.as_ref();
            self.incomplete = Some(details.map(|details| details.reason.0.to_string()).unwrap_or_default());
        }
        said.finish();
        said.progress = Progress::Done;
        Ok(())
    }

    /// The item that an event goes on with: by its number, else by its id, else the last one.
    fn of_event(&mut self, event: &Event<'_>, kind: Kind, said: &Said) -> Result<usize, ModelError> {
        let (index, id) = (event.output_index.0, event.item_id.0.as_ref());
        let found = match index {
            Some(index) => self.items.iter().rposition(|item| item.index == Some(index)),
            None if !id.is_empty() => self.items.iter().rposition(|item| item.id == id),
            None => self.items.len().checked_sub(1),
        };
        match found.filter(|&at| self.items[at].kind == kind) {
            Some(at) => Ok(at),
            None => self.begin(Open::new(kind, index, id), said),
        }
    }

    /// The same for an item that is told as a whole.
    fn of_item(&mut self, item: &Item, index: Option<u64>, said: &Said) -> Result<usize, ModelError> {
        let (kind, id) = (item.kind(), item.text("id"));
        let found = match index {
            Some(index) => self.items.iter().rposition(|open| open.index == Some(index)),
            None if !id.is_empty() => self.items.iter().rposition(|open| open.id == id),
            None => None,
        };
        match found.filter(|&at| self.items[at].kind == kind) {
            Some(at) => Ok(at),
            None => self.begin(Open::new(kind, index, id), said),
        }
    }

    /// The same for one of the last event's list, which is in order, may have other ids, and may leave some out.
    fn listed(&mut self, item: &Item, listed: &mut Vec<bool>, said: &Said) -> Result<usize, ModelError> {
        let (kind, id) = (item.kind(), item.text("id"));
        let is_free = |at: usize| self.items[at].kind == kind && !listed[at];
        let mut free = (0..self.items.len()).filter(|&at| is_free(at));
        let by_id = free.clone().find(|&at| !id.is_empty() && self.items[at].id == id);
        match by_id.or_else(|| free.next()) {
            Some(at) => {
                listed[at] = true;
                Ok(at)
            }
            None => {
                listed.push(true);
                self.begin(Open::new(kind, None, id), said)
            }
        }
    }

    fn begin(&mut self, item: Open, said: &Said) -> Result<usize, ModelError> {
        let calls = self.items.iter().filter(|item| item.kind == Kind::Call).count();
        if self.items.len() == MAX_ITEMS || (item.kind == Kind::Call && calls == MAX_CALLS) {
            return Err(bad_reply(format!("the reply holds more than {MAX_CALLS} tool calls")));
        }
        let start = said.text_bytes();
        self.items.push(Open { start, end: start, ..item });
        Ok(self.items.len() - 1)
    }
}

/// What is kept of an item besides its words.
fn opaque_bytes(item: &Item) -> usize {
    let call = if item.kind() == Kind::Call { item.text("arguments").len() } else { 0 };
    item.text("encrypted_content").len() + call
}

fn read_item(raw: &RawValue) -> Option<Item> {
    match json::from_slice::<Value>(raw.get().as_bytes(), EVENT_BOUNDS) {
        Ok(Value::Object(fields)) => Some(Item(fields)),
        _ => None,
    }
}

fn read_items(raw: &RawValue) -> Vec<Item> {
    let items = json::from_slice::<Vec<Value>>(raw.get().as_bytes(), WHOLE_BOUNDS).unwrap_or_default();
    let items =
        items.into_iter().filter_map(|item| if let Value::Object(fields) = item { Some(Item(fields)) } else { None });
    items.take(MAX_ITEMS).collect()
}

fn is_error(error: &RawValue) -> bool {
    !matches!(error.get(), "null" | "\"\"" | "false" | "0" | "[]" | "{}")
}

fn in_stream(document: &Document<'_>) -> ModelError {
    let text = document.read::<&RawValue>().map(|read| read.value.get()).unwrap_or_default();
    failure::in_stream(text)
}
