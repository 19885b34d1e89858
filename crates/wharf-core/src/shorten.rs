//! Messages made shorter: head and tail stay, a note says how much is gone. The same message and size give the same text, and
//! what is short enough stays as it is, so that a request begins as the one before it did.

use std::borrow::Cow;

use serde_json::{Map, Value};
use wharf_protocol::{ContentBlock, Message, Role, ToolRequest};

use crate::size::{block_bytes, value_bytes};

/// Room for the note in the middle of a text.
const NOTE_BYTES: usize = 96;

/// Shorter than this nothing is made: head and tail would say nothing.
pub(crate) const MIN_BYTES: u64 = 256;

/// A message of which at most `max_bytes` are shown, or `None` where it is not longer.
pub(crate) fn message(message: &Message, max_bytes: u64) -> Option<Message> {
    let max_bytes = max_bytes.max(MIN_BYTES);
    let content = content(&message.content, max_bytes);
    let calls = calls(&message.tool_calls, max_bytes);
    let thought = message.reasoning.len() as u64 + message.provider_data.as_ref().map_or(0, value_bytes);
    if content.is_none() && calls.is_none() && thought <= max_bytes {
        return None;
    }
    Some(Message {
        content: content.unwrap_or_else(|| message.content.clone()),
        tool_calls: calls.unwrap_or_else(|| message.tool_calls.clone()),
        // A provider's own data belong to the message as it was: they are refused beside another one.
        reasoning: String::new(),
        provider_data: None,
        ..message.clone()
    })
}

/// The same for a tool's result alone.
pub(crate) fn result(said: &Message, max_bytes: u64) -> Option<Message> {
    (said.role == Role::Tool).then(|| message(said, max_bytes)).flatten()
}

fn content(blocks: &[ContentBlock], max_bytes: u64) -> Option<Vec<ContentBlock>> {
    if blocks.iter().map(block_bytes).sum::<u64>() <= max_bytes {
        return None;
    }
    let mut out = Vec::new();
    let mut text = String::new();
    let mut room = max_bytes;
    for block in blocks {
        let is_media = matches!(block, ContentBlock::Image { .. } | ContentBlock::Audio { .. });
        // Half of the room stays for words.
        let bytes = block_bytes(block);
        if is_media && room / 2 >= bytes {
            room -= bytes;
            out.push(block.clone());
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&words(block));
    }
    let text = self::text(&text, usize::try_from(room).unwrap_or(usize::MAX));
    if !text.is_empty() {
        out.insert(0, ContentBlock::text(text));
    }
    Some(out)
}

pub(crate) fn words(block: &ContentBlock) -> Cow<'_, str> {
    match block {
        ContentBlock::Text { text } => Cow::Borrowed(text),
        ContentBlock::Image { mime_type, .. } | ContentBlock::Audio { mime_type, .. } => {
            Cow::Owned(format!("[{mime_type} left out to save space]"))
        }
        ContentBlock::ResourceLink { uri, name, .. } => Cow::Owned(format!("[{name}]({uri})")),
        ContentBlock::Resource { resource } => match &resource.text {
            Some(text) => Cow::Owned(format!("<resource uri=\"{}\">\n{text}\n</resource>", resource.uri)),
            None => Cow::Owned(format!("[resource {} left out to save space]", resource.uri)),
        },
    }
}

fn calls(calls: &[ToolRequest], max_bytes: u64) -> Option<Vec<ToolRequest>> {
    let is_long = |call: &ToolRequest| value_bytes(&call.arguments) > max_bytes;
    if !calls.iter().any(is_long) {
        return None;
    }
    let shown = |call: &ToolRequest| match (is_long(call), &call.arguments) {
        (true, Value::Object(fields)) => {
            ToolRequest { arguments: Value::Object(arguments(fields, max_bytes)), provider_data: None, ..call.clone() }
        }
        _ => call.clone(),
    };
    let shown: Vec<ToolRequest> = calls.iter().map(shown).collect();
    (shown.as_slice() != calls).then_some(shown)
}

/// Arguments keep their names. Only the outermost values are looked at: what is nested and long is left out as a whole.
fn arguments(fields: &Map<String, Value>, max_bytes: u64) -> Map<String, Value> {
    let share = (max_bytes / fields.len().max(1) as u64).max(MIN_BYTES);
    let shown = |value: &Value| match value {
        Value::String(said) => Value::String(text(said, usize::try_from(share).unwrap_or(usize::MAX))),
        value if value_bytes(value) > share => {
            Value::String(format!("[{} bytes left out to save space]", value_bytes(value)))
        }
        value => value.clone(),
    };
    fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// Head and tail of a text that is longer than `max_bytes`.
pub(crate) fn text(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let half = max_bytes.saturating_sub(NOTE_BYTES) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    let left_out = tail - head;
    format!("{}\n[{left_out} bytes left out here to fit the model's window]\n{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests;
