//! What the model would be sent, and what each part of it costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::NotedFile;
use crate::{ContentBlock, Message, MessageId, Role, Seq, SessionId};

/// How what the model is told of its workspace begins, and how it ends: nothing else that it is shown has these.
pub const NOTE_BEGIN: &str = "<workspace-note>";
pub const NOTE_END: &str = "</workspace-note>";

/// Whether a block of a message tells of the workspace, and so is no part of what was said.
#[must_use]
pub fn is_note(block: &ContentBlock) -> bool {
    block.as_text().is_some_and(|text| text.trim_start().starts_with(NOTE_BEGIN))
}

/// Tokens, and whether somebody counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    pub tokens: u64,
    /// Counted by the model's provider; else estimated from the number of bytes.
    pub counted: bool,
}

impl Tokens {
    #[must_use]
    pub fn estimated(tokens: u64) -> Self {
        Self { tokens, counted: false }
    }
}

/// The next request of a session, as it would be if it were sent now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Context {
    pub session_id: SessionId,
    /// `provider/name`
    pub model: String,
    /// What a request and its reply may take together, in tokens; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    pub window_from: WindowSource,
    /// Kept free of the window for the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<u64>,
    /// A request that would take more is made smaller before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacts_above: Option<u64>,
    /// What the request would take: what the provider counted of the last one, and an estimate of what came since, with 15 % to spare.
    pub expected: u64,
    /// What the provider counted of the last request; absent where it did not, or where that request was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_counted: Option<u64>,
    pub instructions: Tokens,
    pub tools: Vec<ToolCost>,
    /// In the order in which they would be sent. What is told of the workspace in them is not counted here but in `notes`.
    pub messages: Vec<MessageCost>,
    /// What the model is told of the workspace in these messages: facts and instruction files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteCost>,
    /// Messages that are not shown any more. The log keeps them.
    pub left_out: u64,
    /// A summary is being written.
    pub compacting: bool,
}

/// Who says how large the model's window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowSource {
    /// Nobody.
    Unknown,
    /// The configuration, the model's server, or a list of known models.
    Known,
    /// The model's server, when it refused a request.
    Refusal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCost {
    pub name: String,
    #[serde(flatten)]
    pub cost: Tokens,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageCost {
    pub message_id: MessageId,
    pub role: Role,
    pub seq: Seq,
    #[serde(flatten)]
    pub cost: Tokens,
    pub bytes: u64,
    /// It stands for what is left out: the model's own summary, or a note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_summary: bool,
    /// The beginning of what it says.
    pub preview: String,
    /// With `full=true`: the whole message, as it would be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// A part of a message that tells of the workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoteCost {
    /// The message that it is a part of.
    pub message_id: MessageId,
    #[serde(flatten)]
    pub cost: Tokens,
    pub bytes: u64,
    /// Date, git branch and status are in it.
    pub facts: bool,
    /// The instruction files in it.
    pub files: Vec<NotedFile>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContextQuery {
    /// With the messages themselves.
    #[serde(default)]
    pub full: bool,
}
