//! What becomes of work that a dead server left: how a session is taken up, and when it is not any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What happens to a turn of this session that a dead server left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPolicy {
    /// As the server is set.
    #[default]
    Server,
    /// It goes on by itself.
    Continue,
    /// It ends as `interrupted`.
    Interrupt,
}

impl RecoveryPolicy {
    #[must_use]
    pub fn is_server(&self) -> bool {
        *self == Self::Server
    }
}

/// Why a session is not taken up any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SealReason {
    /// The process died each time it took the session up.
    RecoveryCrashed,
    /// What is stored of it cannot be read.
    Damaged,
}

/// A session that can be read, and takes no work until somebody unseals it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seal {
    pub reason: SealReason,
    /// In words: what was found.
    pub message: String,
    pub sealed_at: Timestamp,
}
