//! What a chunk of a chat completion looks like, as leniently as real servers make it necessary.
//!
//! These types borrow from the line: a delta costs no allocation but its text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use wharf_protocol::cost::PriceSource;
use wharf_protocol::{CallCost, Usage};

use crate::reply::lenient::{Count, Id, Index, Text, no_map, no_value, null_is_default, object_or_default};

/// One `data:` line, or a whole reply that was asked for as a stream and was not sent as one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub choices: FirstChoice<'a>,
    pub usage: Option<WireUsage>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// `error` where the whole chunk is one, with its words in `message`.
    #[serde(borrow)]
    pub object: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
}

/// The choice with index 0; we never ask for others.
#[derive(Debug, Default)]
pub(super) struct FirstChoice<'a>(pub Option<Choice<'a>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    /// In place of `delta` where the server does not stream. Beside it, it is all that was said so far.
    #[serde(borrow)]
    pub message: Option<Delta<'a>>,
    #[serde(borrow)]
    pub finish_reason: FinishReason<'a>,
}

/// Servers that leave the key out altogether may never send a reason; those that send `null` will send one.
#[derive(Debug, Default)]
pub(super) enum FinishReason<'a> {
    #[default]
    Absent,
    Null,
    Given(Cow<'a, str>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub content: Content<'a>,
    #[serde(borrow)]
    pub reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub reasoning: Text<'a>,
    #[serde(borrow)]
    pub reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<CallPiece<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallPiece<'a> {
    pub index: Index,
    #[serde(borrow)]
    pub id: Id<'a>,
    #[serde(borrow, deserialize_with = "null_is_default")]
    pub function: FunctionPiece<'a>,
    /// Gemini's signatures, which it wants back with the call.
    #[serde(borrow)]
    pub extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionPiece<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    /// A string by the protocol; some servers send the object itself.
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    #[serde(deserialize_with = "object_or_default")]
    prompt_tokens_details: PromptDetails,
    #[serde(deserialize_with = "object_or_default")]
    completion_tokens_details: CompletionDetails,
    /// DeepSeek's and Moonshot's names for the cached ones.
    prompt_cache_hit_tokens: Count,
    cached_tokens: Count,
    /// OpenRouter's: dollars.
    cost: Dollars,
}

/// Money in billionths, where it is a number that can be some.
#[derive(Debug, Default, Clone, Copy)]
struct Dollars(Option<u64>);

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let dollars = Value::deserialize(from)?.as_f64().filter(|dollars| (0.0..1e6).contains(dollars));
        // Below a million dollars every billionth is a whole number.
        let nano_usd = dollars.map(|dollars| (dollars * 1e9).round() as u64);
        Ok(Self(nano_usd))
    }
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
}

impl WireUsage {
    pub(super) fn cost(self) -> Option<CallCost> {
        self.cost.0.map(|nano_usd| CallCost { nano_usd, source: PriceSource::Provider })
    }

    /// `None` where the server only filled in the field.
    pub(super) fn counted(self) -> Option<Usage> {
        let (prompt_tokens, completion_tokens) = (self.prompt_tokens.0, self.completion_tokens.0);
        let sum = prompt_tokens.saturating_add(completion_tokens);
        let total_tokens = if self.total_tokens.0 == 0 { sum } else { self.total_tokens.0 };
        let cached = [self.prompt_tokens_details.cached_tokens, self.prompt_cache_hit_tokens, self.cached_tokens];
        (total_tokens > 0).then_some(Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens: cached.into_iter().map(|count| count.0).max().unwrap_or_default(),
            cache_write_tokens: self.prompt_tokens_details.cache_write_tokens.0,
            reasoning_tokens: self.completion_tokens_details.reasoning_tokens.0,
        })
    }
}

/// The text of a message: a string, or a list of parts, in which Mistral also sends its reasoning.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    pub text: Cow<'a, str>,
    pub reasoning: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Content<'a>,
}

/// The same chunk without what is of a kind that no reader takes: each field of its own costs only itself.
pub(super) fn salvaged(mut chunk: Map<String, Value>) -> Map<String, Value> {
    chunk.retain(|name, value| match name.as_str() {
        "usage" => value.is_object(),
        "choices" => {
            listed(value);
            true
        }
        "error" | "object" | "type" | "message" => true,
        _ => false,
    });
    for choice in members(&mut chunk, "choices") {
        choice.retain(|name, value| match name.as_str() {
            "delta" | "message" => value.is_object(),
            "index" | "finish_reason" => true,
            _ => false,
        });
        for said in ["delta", "message"] {
            let Some(Value::Object(said)) = choice.get_mut(said) else { continue };
            if let Some(calls) = said.get_mut("tool_calls") {
                listed(calls);
            }
            if let Some(Value::Array(parts)) = said.get_mut("content") {
                for part in parts.iter_mut().filter(|part| !part.is_object()) {
                    *part = json!({ "text": part.as_str() });
                }
            }
            for call in members(said, "tool_calls") {
                call.retain(|name, value| name != "function" || value.is_object());
            }
        }
    }
    chunk
}

/// A list of objects, also where it is only one of them, or text.
fn listed(value: &mut Value) {
    match value {
        Value::Array(list) => list.retain(Value::is_object),
        Value::Object(_) => *value = Value::Array(vec![value.take()]),
        other => *other = Value::Array(Vec::new()),
    }
}

fn members<'v>(object: &'v mut Map<String, Value>, list: &str) -> impl Iterator<Item = &'v mut Map<String, Value>> {
    let list = object.get_mut(list).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
    list.iter_mut().filter_map(Value::as_object_mut)
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of parts")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content { text: Cow::Borrowed(text), reasoning: String::new() })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content { text: Cow::Owned(text.to_owned()), reasoning: String::new() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut content = Content::default();
                while let Some(part) = seq.next_element::<Part<'de>>()? {
                    content.text.to_mut().push_str(&part.text.0);
                    content.reasoning.push_str(&part.thinking.text);
                }
                Ok(content)
            }
            no_value!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
            no_map!();
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FinishReason<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(reason) = Text::deserialize(deserializer)?;
        Ok(if reason.is_empty() { Self::Null } else { Self::Given(reason) })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FirstChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = FirstChoice<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(FirstChoice(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut first = None;
                while let Some(choice) = seq.next_element::<Choice<'de>>()? {
                    if first.is_none() && choice.index == Count(0) {
                        first = Some(choice);
                    }
                }
                Ok(FirstChoice(first))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
