//! One turn: from the start of a prompt's execution until the agent waits for the user again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ApiError, Cost, MessageId, Seq, SessionId, Timestamp, TurnId, Usage};

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
