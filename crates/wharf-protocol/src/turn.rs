//! One turn: from the start of a prompt's execution until the agent waits for the user again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ApiError, Cost, MessageId, Seq, SessionId, Timestamp, TurnId};

/// Tokens, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    #[serde(default)]
    pub prompt_tokens: u64,
    #[serde(default)]
    pub completion_tokens: u64,
    #[serde(default)]
    pub total_tokens: u64,
    /// Those of `prompt_tokens` that were read from the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Those of `prompt_tokens` that were written to the provider's cache, where that has a price of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Those of `completion_tokens` that were reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

/// Why the agent stopped. The first five are ACP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    EndTurn,
    MaxTokens,
    /// The turn's limit of model calls was reached.
    MaxTurnRequests,
    Refusal,
    Cancelled,
    /// The turn's time was up.
    TimedOut,
    Error,
    /// The server stopped in the middle of the turn and its setting says not to go on.
    Interrupted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnStatus {
    Queued,
    Running,
    Completed,
    Cancelled,
    Failed,
    /// The prompt was taken out of the queue before it ran.
    Withdrawn,
}

impl TurnStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A turn as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    pub session_id: SessionId,
    pub turn_id: TurnId,
    /// The prompt that it answers.
    pub message_id: MessageId,
    pub status: TurnStatus,
    #[serde(default)]
    pub stop_reason: Option<StopReason>,
    /// The agent's last message of this turn.
    #[serde(default)]
    pub response: Option<String>,
    #[serde(default)]
    pub usage: Option<Usage>,
    /// What its model calls have cost, as far as it is known.
    #[serde(default)]
    pub cost: Option<Cost>,
    #[serde(default)]
    pub error: Option<ApiError>,
    pub created_at: Timestamp,
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The event that accepted the prompt.
    pub first_seq: Seq,
    /// The event that ended the turn.
    #[serde(default)]
    pub last_seq: Option<Seq>,
}
