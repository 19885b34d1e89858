//! Models that can be used now and why, and what a model answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost::{CallCost, Price};
use crate::{StopReason, Timestamp, UnseenImages, Usage};

/// The wire that a model server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI's chat completions, which most servers speak.
    #[default]
    Openai,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Protocol {
    pub const ALL: &'static [Protocol] =
        &[Protocol::Openai, Protocol::Responses, Protocol::Anthropic, Protocol::Gemini];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|protocol| protocol.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|protocol| protocol.as_str()).collect();
            format!("unknown protocol {text:?}: use {}", known.join(", "))
        })
    }
}

/// One provider that was found or configured, with its models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// First part of a model's name: `openai`, `ollama`, `demo`, ...
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    pub available: bool,
    /// Where it comes from, or why it cannot be used: "OPENAI_API_KEY is set", "nothing listens on 127.0.0.1:11434".
    pub reason: String,
    /// When its server said which models it has; absent: it was not asked, or did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    pub models: Vec<ModelInfo>,
}

/// Who says that a provider has a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelOrigin {
    /// The provider's server.
    Listed,
    /// The user, in the configuration.
    Configuration,
    /// The table that comes with Wharf.
    Catalogue,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelInfo {
    /// `provider/name`.
    pub id: String,
    /// What a new session gets when it names no model.
    pub is_default: bool,
    /// In tokens, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Most tokens of one reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Whether it can be shown images, and PDF; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<bool>,
    /// The provider's words for how much it is to think.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thinking: Vec<String>,
    /// The day on which the provider switches it off: `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ModelOrigin>,
}

/// What a model said, once it has finished. Text and reasoning came before it, piece by piece.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    pub stop_reason: StopReason,
    /// The provider says that it stopped for a tool call, whether or not there is one.
    pub announces_call: bool,
    pub tool_calls: Vec<ProposedCall>,
    pub usage: Option<Usage>,
    /// What the call has cost, where that is known.
    pub cost: Option<CallCost>,
    /// What the provider wants back with this message in later requests, unchanged.
    pub provider_data: Option<Value>,
    /// Images of the request that the model was not shown.
    pub unseen: UnseenImages,
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedCall {
    pub tool_name: String,
    /// `Err` holds the text as it came, where it is not a JSON object (cut off, or malformed): such a call never runs.
    pub arguments: Result<Value, String>,
    pub provider_data: Option<Value>,
}

/// Why a model call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub kind: ModelErrorKind,
    /// For the user: what the provider said, without secrets, on one line.
    pub message: String,
    /// The provider's own wish (`Retry-After`).
    pub retry_after_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelErrorKind {
    /// The key is missing or wrong, or lacks a right.
    Unauthorized,
    /// A request that the provider, or a proxy on the way, does not take.
    Refused,
    /// The provider has no model of that name.
    NoSuchModel,
    /// Something answers, but not a model server: the address is wrong.
    NoApi,
    /// The request does not fit into the model's context; with what the provider said of it, in tokens.
    ContextOverflow {
        /// The model's window.
        limit: Option<u64>,
        /// What the request takes.
        asked: Option<u64>,
    },
    /// Quota or rate.
    RateLimited,
    /// 5xx, overloaded.
    Overloaded,
    /// Could not connect, or the connection broke.
    Connection,
    /// Connected, but silent for too long.
    Timeout,
    /// The reply was not what the protocol says, or an error came inside it.
    BadReply,
}

impl ModelErrorKind {
    /// The same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited | Self::Overloaded | Self::Connection | Self::Timeout | Self::BadReply => true,
            Self::Unauthorized | Self::Refused | Self::NoSuchModel | Self::NoApi | Self::ContextOverflow { .. } => {
                false
            }
        }
    }
}
