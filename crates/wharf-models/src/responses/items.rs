//! The items of a reply, put together from their events.

use serde_json::{Map, Value, json};
use wharf_protocol::model::ProposedCall;

use super::wire::{self, Item, Kind};
use crate::reply::calls::Tools;

/// One item, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) call: Call,
    /// What was shown of a message, or of reasoning.
    pub(super) shown: String,
    /// Where that begins in the text of the whole reply, in bytes.
    pub(super) start: usize,
    /// Its last byte but one.
    pub(super) end: usize,
    pub(super) source: Option<Source>,
    /// As the server tells it at the end.
    pub(super) whole: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Call {
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Where reasoning is read: a server that sends a summary and the text says the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// With the number of the part that is being read.
    Summary(u64),
    Text,
}

impl Open {
    pub(super) fn new(kind: Kind, index: Option<u64>, id: &str) -> Self {
        Self {
            index,
            id: id.to_owned(),
            kind,
            call: Call::default(),
            shown: String::new(),
            start: 0,
            end: 0,
            source: None,
            whole: None,
        }
    }

    /// Takes what the server says of the item, at its beginning or its end.
    pub(super) fn learn(&mut self, item: &Item) {
        let set = |field: &mut String, value: &str| {
            if !value.is_empty() {
                value.clone_into(field);
            }
        };
        set(&mut self.id, item.text("id"));
        if self.kind == Kind::Call {
            set(&mut self.call.call_id, item.text("call_id"));
            set(&mut self.call.name, item.text("name"));
            set(&mut self.call.arguments, item.text("arguments"));
        }
    }

    /// What the item says in words, once it is whole.
    pub(super) fn words(&self, item: &Item) -> Option<String> {
        let said = [("output_text", "text"), ("refusal", "refusal")];
        match (self.kind, self.source) {
            (Kind::Message, _) => item.parts("content", &said, ""),
            (Kind::Reasoning, Some(Source::Text)) => item.parts("content", &[("reasoning_text", "text")], ""),
            (Kind::Reasoning, _) => item
                .parts("summary", &[("summary_text", "text")], "\n\n")
                .or_else(|| item.parts("content", &[("reasoning_text", "text")], "")),
            (Kind::Call | Kind::Other, _) => None,
        }
    }
}

/// The calls of a reply, and what its provider wants back with it.
pub(super) fn finished(items: Vec<Open>, tools: &Tools, cut: bool) -> (Vec<ProposedCall>, Option<Value>) {
    let mut calls = Vec::new();
    let mut back = Vec::new();
    // The text and the calls alone say as much where nothing but them came, in their usual order.
    let (mut is_plain, mut messages) = (true, 0);
    for item in items {
        match item.kind {
            Kind::Message => {
                let phase = item.whole.as_ref().and_then(|whole| whole.get("phase")).filter(|phase| phase.is_string());
                messages += 1;
                is_plain &= phase.is_none() && calls.is_empty() && messages == 1;
                let mut message = json!({ "type": "message", "text": [item.start, item.end] });
                if let (Some(phase), Value::Object(fields)) = (phase, &mut message) {
                    fields.insert("phase".to_owned(), phase.clone());
                }
                if item.end > item.start {
                    back.push(message);
                }
            }
            Kind::Call => {
                let cut = cut && item.whole.is_none();
                for call in proposed(item.call, tools, cut) {
                    back.push(json!({ "type": "function_call", "call": calls.len() }));
                    calls.push(call);
                }
            }
            Kind::Reasoning | Kind::Other => {
                if let Some(whole) = item.whole.filter(|whole| item.kind == Kind::Other || holds_reasoning(whole)) {
                    is_plain = false;
                    back.push(Value::Object(whole));
                }
            }
        }
    }
    (calls, (!is_plain).then(|| json!({ "items": back })))
}

/// Reasoning that the server could find again: it keeps none of it.
fn holds_reasoning(item: &Map<String, Value>) -> bool {
    let is_encrypted = item.get("encrypted_content").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let is_readable = item.get("content").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
    is_encrypted || is_readable
}

fn proposed(call: Call, tools: &Tools, cut: bool) -> Vec<ProposedCall> {
    let Call { call_id, name, arguments } = call;
    let own = (!call_id.is_empty()).then(|| json!({ "call_id": call_id }));
    let whole = tools.call(&name, arguments, cut, own);
    let inner = whole.arguments.as_ref().ok().filter(|_| !tools.knows(&name));
    match inner.and_then(|arguments| wire::unwrapped(&name, arguments)) {
        // They have one id together, which none of them may have then.
        Some(calls) => {
            calls.into_iter().map(|(name, arguments)| tools.call(&name, arguments.to_string(), false, None)).collect()
        }
        None => vec![whole],
    }
}
