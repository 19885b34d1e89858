//! What the events of a Responses stream look like, as leniently as real servers make it necessary.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wharf_protocol::Usage;

use crate::reply::lenient::{Count, Id, Index, Text};

/// One event, or a whole reply that was asked for as a stream and was not sent as one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub object: Text<'a>,
    pub output_index: Index,
    #[serde(borrow)]
    pub item_id: Id<'a>,
    pub content_index: Index,
    pub summary_index: Index,
    #[serde(borrow)]
    pub delta: Text<'a>,
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub arguments: Text<'a>,
    #[serde(borrow)]
    pub item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// What an item is, as far as it has a meaning for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call,
    /// A tool that the provider runs itself, a compaction: it goes back as it came.
    Other,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "function_call" => Self::Call,
            _ => Self::Other,
        }
    }
}

/// An item as JSON: the parts of it that are read.
#[derive(Debug, Default)]
pub(super) struct Item(pub Map<String, Value>);

impl Item {
    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.text("type"))
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The texts of the parts that are of these types, put together.
    pub(super) fn parts(&self, list: &str, kinds: &[(&str, &str)], between: &str) -> Option<String> {
        let parts = self.0.get(list)?.as_array()?;
        let texts = parts.iter().filter_map(|part| {
            let kind = part.get("type")?.as_str()?;
            let (_, field) = kinds.iter().find(|(wanted, _)| *wanted == kind)?;
            part.get(*field)?.as_str()
        });
        let texts: Vec<&str> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(between))
    }

    pub(super) fn refuses(&self) -> bool {
        let parts = self.0.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        parts.iter().any(|part| part.get("type").and_then(Value::as_str) == Some("refusal"))
    }
}

/// A response as its last event tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
    pub usage: Option<WireUsage>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub incomplete_details: Option<Details<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Details<'a> {
    #[serde(borrow)]
    pub reason: Text<'a>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl WireUsage {
    /// `None` where the server only filled in the field.
    pub(super) fn counted(self) -> Option<Usage> {
        let (prompt_tokens, completion_tokens) = (self.input_tokens.0, self.output_tokens.0);
        let sum = prompt_tokens.saturating_add(completion_tokens);
        let total_tokens = if self.total_tokens.0 == 0 { sum } else { self.total_tokens.0 };
        let input = self.input_tokens_details.unwrap_or_default();
        let output = self.output_tokens_details.unwrap_or_default();
        (total_tokens > 0).then_some(Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens: input.cached_tokens.0,
            cache_write_tokens: input.cache_write_tokens.0,
            reasoning_tokens: output.reasoning_tokens.0,
        })
    }
}

/// The calls that a wrapper asks for, where a call is one: models make up a tool that calls several at once.
pub(super) fn unwrapped(name: &str, arguments: &Value) -> Option<Vec<(String, Value)>> {
    if !matches!(name, "parallel" | "multi_tool_use.parallel") {
        return None;
    }
    let uses = arguments.get("tool_uses")?.as_array()?;
    let calls = uses.iter().map(|one| {
        let name = one.get("recipient_name")?.as_str()?;
        let parameters = one.get("parameters").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        parameters.is_object().then(|| (name.to_owned(), parameters))
    });
    calls.collect::<Option<Vec<_>>>().filter(|calls| !calls.is_empty())
}

/// What the last event of a whole answer is called.
pub(super) fn ending(status: &str) -> &'static str {
    match status {
        "incomplete" => "response.incomplete",
        "failed" | "cancelled" => "response.failed",
        _ => "response.completed",
    }
}
