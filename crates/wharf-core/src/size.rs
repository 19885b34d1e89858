//! How large things are: bytes, and the estimate of the tokens that a model takes them for.

use std::sync::Arc;

use serde_json::Value;
use wharf_foreign::image;
use wharf_protocol::{ContentBlock, Message, ToolSpec};

/// What a sound is taken to cost, and an image whose size is not known, as bytes of text (1,600 tokens).
pub(crate) const MEDIA_BYTES: u64 = 6_400;

/// Pixels of a token. Of the providers' rules it is the one that gives the most: 750 at Anthropic, tiles of 170 tokens for 512 by 512 at
/// OpenAI, of 258 for 768 by 768 at Google.
const TOKEN_PIXELS: u64 = 750;

/// No model sees more pixels than this of a side; larger images are made smaller before they go out.
const SIDE_PIXELS: u64 = 2_048;

/// A small image costs this all the same, in tokens.
const IMAGE_MIN_TOKENS: u64 = 85;

/// The roles and separators around each message, in tokens.
pub(crate) const MESSAGE_TOKENS: u64 = 4;

/// The model's instructions, which the core does not see, are taken to fit into so many tokens.
pub(crate) const INSTRUCTIONS_TOKENS: u64 = 1_000;

pub(crate) fn tokens_of(message: &Message) -> u64 {
    let texts = message.content.iter().map(|block| block_bytes(block) + block_foreign(block) / 3).sum::<u64>();
    let reasoning = message.reasoning.len() as u64 + foreign(&message.reasoning) / 3;
    let rest =
        bytes_of(message) - message.content.iter().map(block_bytes).sum::<u64>() - message.reasoning.len() as u64;
    (texts + reasoning + rest) / 4 + MESSAGE_TOKENS
}

/// Of a text alone.
pub(crate) fn text_tokens(text: &str) -> u64 {
    (text.len() as u64 + foreign(text) / 3) / 4
}

pub(crate) fn bytes_of(message: &Message) -> u64 {
    let calls = message.tool_calls.iter().map(|call| value_bytes(&call.arguments) + call.tool_name.len() as u64);
    let content: u64 = message.content.iter().map(block_bytes).sum();
    let provider_data = message.provider_data.as_ref().map_or(0, value_bytes);
    content + calls.sum::<u64>() + message.reasoning.len() as u64 + provider_data
}

/// Bytes outside ASCII: such text has about one token in three bytes, not in four.
fn foreign(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte >= 0x80).count() as u64
}

fn block_foreign(block: &ContentBlock) -> u64 {
    match block {
        ContentBlock::Text { text } => foreign(text),
        ContentBlock::Resource { resource } => resource.text.as_deref().map_or(0, foreign),
        ContentBlock::Image { .. } | ContentBlock::Audio { .. } | ContentBlock::ResourceLink { .. } => 0,
    }
}

pub(crate) fn block_bytes(block: &ContentBlock) -> u64 {
    match block {
        ContentBlock::Text { text } => text.len() as u64,
        ContentBlock::Image { data, .. } => image_bytes(data),
        ContentBlock::Audio { .. } => MEDIA_BYTES,
        ContentBlock::ResourceLink { uri, name, .. } => (uri.len() + name.len()) as u64,
        ContentBlock::Resource { resource } => {
            let blob = resource.blob.as_ref().map_or(0, |_| MEDIA_BYTES);
            resource.text.as_ref().map_or(0, String::len) as u64 + blob
        }
    }
}

/// What an image is taken to cost, as bytes of text: providers count them by area, not by bytes.
fn image_bytes(data: &str) -> u64 {
    let Some(header) = image::peek(data) else { return MEDIA_BYTES };
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let longer = width.max(height);
    let side = |side: u64| if longer > SIDE_PIXELS { (side * SIDE_PIXELS / longer).max(1) } else { side };
    (side(width) * side(height)).div_ceil(TOKEN_PIXELS).max(IMAGE_MIN_TOKENS) * 4
}

/// The length of a value's JSON, nearly.
pub(crate) fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 6,
        Value::String(text) => text.len() as u64 + 2,
        Value::Array(items) => items.iter().map(|item| value_bytes(item) + 1).sum::<u64>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, item)| name.len() as u64 + value_bytes(item) + 4).sum::<u64>() + 2
        }
    }
}

/// What the tools' descriptions take of each request, in tokens.
#[must_use]
pub fn schema_tokens(tools: &[Arc<ToolSpec>]) -> u64 {
    let bytes =
        |tool: &ToolSpec| tool.name.len() as u64 + tool.description.len() as u64 + value_bytes(&tool.parameters);
    tools.iter().map(|tool| bytes(tool) / 4 + MESSAGE_TOKENS).sum()
}
