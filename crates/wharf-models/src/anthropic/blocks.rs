//! The blocks of a reply in their order, so that it goes back as it came.
//!
//! Texts stand in the message: here is only which part of them a block was, and what no one but the provider can read.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_protocol::Message;

/// The key of provider data that holds them.
pub(super) const BLOCKS: &str = "blocks";

/// Most blocks of one reply whose order is kept. A reply with more goes back as text and calls.
pub(super) const MAX_BLOCKS: usize = 1_024;

/// One block. Ranges are bytes of the message's reasoning, or of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Block {
    Thinking {
        from: usize,
        to: usize,
        /// Empty where the model signs nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        signature: String,
    },
    Redacted {
        data: String,
    },
    Text {
        from: usize,
        to: usize,
    },
    /// The call of that number in the message.
    Call {
        at: usize,
    },
}

/// What a block of a message was.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part<'a> {
    Thinking { thinking: &'a str, signature: String },
    Redacted { data: String },
    Text(&'a str),
    Call(usize),
}

pub(super) fn written(blocks: &[Block]) -> Value {
    blocks.iter().map(|block| serde_json::to_value(block).unwrap_or_default()).collect()
}

/// The parts of a message that came from here, unless they do not fit what it says: then it was changed since.
pub(super) fn of<'a>(message: &'a Message, data: &Value) -> Option<Vec<Part<'a>>> {
    let blocks: Vec<Block> = data.get(BLOCKS).map(Vec::deserialize)?.ok()?;
    let text = match message.content.as_slice() {
        [] => "",
        [block] => block.as_text()?,
        _ => return None,
    };
    let mut calls = 0;
    let mut said = 0;
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        parts.push(match block {
            Block::Thinking { from, to, signature } => {
                Part::Thinking { thinking: message.reasoning.get(from..to)?, signature }
            }
            Block::Redacted { data } => Part::Redacted { data },
            Block::Text { from, to } => {
                let part = text.get(from..to)?;
                said += part.len();
                Part::Text(part)
            }
            Block::Call { at } => {
                (at == calls).then_some(())?;
                calls += 1;
                Part::Call(at)
            }
        });
    }
    (calls == message.tool_calls.len() && said == text.len()).then_some(parts)
}
