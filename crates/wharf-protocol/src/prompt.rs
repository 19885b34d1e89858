//! What a client asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ContentBlock, MessageId, Timestamp, TurnId};

/// Which queued prompt goes first; inside one priority, first come first served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

/// What happens to a prompt while a turn runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStrategy {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is refused with SESSION_BUSY.
    Reject,
    /// It joins the running turn before the next model call.
    Steer,
    /// The running turn is cancelled; this prompt is next.
    Interrupt,
}

/// A prompt's content: plain text, or blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PromptContent {
    Text(String),
    Blocks(Vec<ContentBlock>),
}

impl PromptContent {
    #[must_use]
    pub fn to_blocks(&self) -> Vec<ContentBlock> {
        match self {
            Self::Text(text) => vec![ContentBlock::text(text.as_str())],
            Self::Blocks(blocks) => blocks.clone(),
        }
    }

    /// The text in it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Blocks(blocks) => crate::content::text_of(blocks),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Blocks(blocks) => {
                blocks.iter().all(|block| block.as_text().is_some_and(|text| text.trim().is_empty()))
            }
        }
    }
}

impl From<&str> for PromptContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The body of a prompt request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prompt {
    pub content: PromptContent,
    /// Makes the request safe to repeat: the same id with the same body is the same prompt. Generated where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    #[serde(default)]
    pub priority: Priority,
    #[serde(default)]
    pub conflict_strategy: ConflictStrategy,
    /// Ask for the turn's events as they happen; the same as `Accept: text/event-stream`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The client's own notes; kept with the prompt, never shown to the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

impl Prompt {
    #[must_use]
    pub fn new(content: impl Into<PromptContent>) -> Self {
        Self {
            content: content.into(),
            id: None,
            priority: Priority::default(),
            conflict_strategy: ConflictStrategy::default(),
            stream: false,
            metadata: None,
        }
    }
}

/// A prompt that waits for its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueuedPrompt {
    pub message_id: MessageId,
    pub turn_id: TurnId,
    /// 1 is next.
    pub position: usize,
    pub priority: Priority,
    pub content: PromptContent,
    pub sender: Option<String>,
    pub received_at: Timestamp,
}
