//! What an event of a Messages stream looks like, as leniently as real servers make it necessary.

use serde::Deserialize;
use serde_json::value::RawValue;
use wharf_protocol::Usage;

use crate::reply::lenient::{Count, Id, Index, Text, object_or_default};

/// One event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    pub index: Index,
    #[serde(deserialize_with = "object_or_default")]
    pub message: Start,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub content_block: Block<'a>,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub delta: Delta<'a>,
    #[serde(deserialize_with = "object_or_default")]
    pub usage: WireUsage,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// What `message_start` says of the message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Start {
    #[serde(deserialize_with = "object_or_default")]
    pub usage: WireUsage,
}

/// A block as it begins, or as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub thinking: Text<'a>,
    #[serde(borrow)]
    pub signature: Text<'a>,
    /// Of redacted thinking.
    #[serde(borrow)]
    pub data: Text<'a>,
    #[serde(borrow)]
    pub id: Id<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// More of a block, or the end of the message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub partial_json: Text<'a>,
    #[serde(borrow)]
    pub thinking: Text<'a>,
    #[serde(borrow)]
    pub signature: Text<'a>,
    #[serde(borrow)]
    pub stop_reason: Text<'a>,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub stop_details: StopDetails<'a>,
}

/// Why the provider refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails<'a> {
    #[serde(borrow)]
    pub category: Text<'a>,
    #[serde(borrow)]
    pub explanation: Text<'a>,
}

/// An answer that is no stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Whole<'a> {
    #[serde(borrow)]
    pub content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    pub stop_reason: Text<'a>,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub stop_details: StopDetails<'a>,
    #[serde(deserialize_with = "object_or_default")]
    pub usage: WireUsage,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// Counts of one event. Those of a later one are of the whole message, and what it leaves out holds on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    #[serde(deserialize_with = "object_or_default")]
    cache_creation: CacheCreation,
    output_tokens: Count,
    #[serde(deserialize_with = "object_or_default")]
    output_tokens_details: OutputDetails,
}

/// The same by how long it is kept, which some gateways give alone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

impl WireUsage {
    pub(super) fn update(&mut self, later: Self) {
        let newer = |old: &mut Count, new: Count| {
            if new.0 > 0 {
                *old = new;
            }
        };
        newer(&mut self.input_tokens, later.input_tokens);
        newer(&mut self.cache_creation_input_tokens, later.written());
        newer(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        newer(&mut self.output_tokens, later.output_tokens);
        newer(&mut self.output_tokens_details.thinking_tokens, later.output_tokens_details.thinking_tokens);
    }

    fn written(self) -> Count {
        let CacheCreation { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens } = self.cache_creation;
        let by_time = ephemeral_5m_input_tokens.0.saturating_add(ephemeral_1h_input_tokens.0);
        Count(self.cache_creation_input_tokens.0.max(by_time))
    }

    /// The whole input: what was read from the cache and what was written to it are no part of `input_tokens`.
    pub(super) fn counted(self) -> Option<Usage> {
        let (cached, written) = (self.cache_read_input_tokens.0, self.written().0);
        let prompt_tokens = self.input_tokens.0.saturating_add(cached).saturating_add(written);
        let completion_tokens = self.output_tokens.0;
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        (total_tokens > 0).then_some(Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: self.output_tokens_details.thinking_tokens.0,
        })
    }
}
