//! A session as the API shows it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cost, Mode, RecoveryPolicy, Seal, Seq, SessionId, Thinking, Timestamp, Usage};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    #[default]
    Idle,
    Busy,
    /// For the answer to a permission.
    Waiting,
    /// The last turn was cancelled.
    Cancelled,
    /// The last turn failed.
    Error,
    /// It can be read and takes no work: see `sealed`.
    Sealed,
}

impl SessionStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Sealed => "sealed",
        }
    }

    /// A turn runs.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Busy | Self::Waiting)
    }
}

/// Where a session's tools do what an attached client offers to do: read and write a file's text, run a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolLocation {
    /// At the client, as far as one offers it; else on the server.
    #[default]
    Client,
    /// On the server, whatever clients offer.
    Server,
}

impl ToolLocation {
    pub const ALL: [ToolLocation; 2] = [ToolLocation::Client, ToolLocation::Server];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl std::str::FromStr for ToolLocation {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|location| location.as_str() == text)
            .ok_or_else(|| format!("unknown tool location {text:?}: use client or server"))
    }
}

/// Where a session was copied from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ForkedFrom {
    pub session_id: SessionId,
    /// The last event of that session that was taken over.
    pub seq: Seq,
}

/// A session. Every field follows from its events: see [`Session::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    pub id: SessionId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub cwd: PathBuf,
    /// Directories that the tools reach beside `cwd`, by absolute paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_directories: Vec<PathBuf>,
    pub agent_name: String,
    /// `provider/name`
    pub model: String,
    pub mode: Mode,
    #[serde(default)]
    pub thinking: Thinking,
    #[serde(default)]
    pub tool_location: ToolLocation,
    pub title: Option<String>,
    pub archived: bool,
    pub status: SessionStatus,
    pub message_count: u64,
    pub token_usage: Usage,
    /// What its model calls have cost, as far as it is known; those before a fork or an import belong to the other session as well.
    #[serde(default, skip_serializing_if = "Cost::is_empty")]
    pub cost: Cost,
    /// Prompts accepted but not yet started.
    pub queued_count: u64,
    /// Background commands that run.
    #[serde(default)]
    pub running_commands: u64,
    pub last_seq: Seq,
    /// The first event that the log still has; cursors below `first_seq - 1` are refused with 410.
    pub first_seq: Seq,
    /// What happens to a turn that a dead server left behind; absent: as the server is set.
    #[serde(default, skip_serializing_if = "RecoveryPolicy::is_server")]
    pub recovery: RecoveryPolicy,
    /// Why it takes no work, where it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Seal>,
    /// The session that it is a fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}
