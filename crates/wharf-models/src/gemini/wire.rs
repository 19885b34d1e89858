//! What a chunk of a Gemini stream looks like, as leniently as real servers make it necessary.

use serde::Deserialize;
use serde_json::value::RawValue;
use wharf_protocol::Usage;

use crate::reply::lenient::{Count, Id, Index, Text, null_is_default, object_or_default};

/// One `data:` line, or a whole reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow, deserialize_with = "null_is_default")]
    pub candidates: Vec<Candidate<'a>>,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub prompt_feedback: Feedback<'a>,
    #[serde(deserialize_with = "object_or_default")]
    pub usage_metadata: WireUsage,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub index: Index,
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub content: Content<'a>,
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    #[serde(borrow)]
    pub finish_message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow, deserialize_with = "null_is_default")]
    pub parts: Vec<Part<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(deserialize_with = "null_is_default")]
    pub thought: bool,
    #[serde(borrow)]
    pub thought_signature: Text<'a>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub inline_data: Option<InlineData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub id: Id<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "null_is_default")]
    pub partial_args: Vec<PartialArg<'a>>,
    #[serde(deserialize_with = "null_is_default")]
    pub will_continue: bool,
}

/// A piece of one argument.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PartialArg<'a> {
    #[serde(borrow)]
    pub json_path: Text<'a>,
    #[serde(borrow)]
    pub string_value: Option<&'a RawValue>,
    #[serde(borrow)]
    pub number_value: Option<&'a RawValue>,
    pub bool_value: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    #[serde(borrow)]
    pub mime_type: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Feedback<'a> {
    #[serde(borrow)]
    pub block_reason: Text<'a>,
    #[serde(borrow)]
    pub block_reason_message: Text<'a>,
}

/// Counts of the reply so far: the last ones hold.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireUsage {
    prompt_token_count: Count,
    tool_use_prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    total_token_count: Count,
}

impl WireUsage {
    /// `None` where the server only filled in the field.
    pub(super) fn counted(self) -> Option<Usage> {
        let prompt_tokens = self.prompt_token_count.0.saturating_add(self.tool_use_prompt_token_count.0);
        // Thoughts are counted beside the answer.
        let completion_tokens = self.candidates_token_count.0.saturating_add(self.thoughts_token_count.0);
        let sum = prompt_tokens.saturating_add(completion_tokens);
        let total_tokens = if self.total_token_count.0 == 0 { sum } else { self.total_token_count.0 };
        (total_tokens > 0).then_some(Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens: self.cached_content_token_count.0,
            cache_write_tokens: 0,
            reasoning_tokens: self.thoughts_token_count.0,
        })
    }
}
