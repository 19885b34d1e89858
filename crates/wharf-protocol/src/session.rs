//! A session as the API shows it, and how events change that view.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Event, EventBody, Mode, RecoveryPolicy, Seal, Seq, SessionId, Thinking, Timestamp, Usage};

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

/// Longest title made from a prompt, in characters.
const TITLE_MAX_CHARS: usize = 80;

impl Session {
    /// The view after `session.created`; `None` for any other event.
    #[must_use]
    pub fn from_created(event: &Event) -> Option<Self> {
        let EventBody::SessionCreated(created) = &event.body else { return None };
        Some(Self {
            id: event.session_id.clone(),
            created_at: event.timestamp,
            updated_at: event.timestamp,
            cwd: created.cwd.clone(),
            additional_directories: created.additional_directories.clone(),
            agent_name: created.agent_name.clone(),
            model: created.model.clone(),
            mode: created.mode,
            thinking: created.thinking.unwrap_or_default(),
            tool_location: created.tool_location.unwrap_or_default(),
            title: created.title.clone(),
            archived: false,
            status: SessionStatus::Idle,
            message_count: 0,
            token_usage: Usage::default(),
            queued_count: 0,
            running_commands: 0,
            last_seq: event.seq,
            first_seq: event.seq,
            recovery: created.recovery,
            sealed: None,
            forked_from: created.forked_from.clone(),
        })
    }

    /// The view after `event`, which follows the ones applied before.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = event.seq;
        if event.kind().is_chunk() {
            return;
        }
        // The events of a copy are older than the copy.
        self.updated_at = self.updated_at.max(event.timestamp);
        match &event.body {
            EventBody::SessionUpdated(changed) => {
                if let Some(title) = &changed.title {
                    self.title = Some(title.clone());
                }
                if let Some(model) = &changed.model {
                    self.model.clone_from(model);
                }
                if let Some(agent) = &changed.agent_name {
                    self.agent_name.clone_from(agent);
                }
                if let Some(mode) = changed.mode {
                    self.mode = mode;
                }
                if let Some(tool_location) = changed.tool_location {
                    self.tool_location = tool_location;
                }
                if let Some(directories) = &changed.additional_directories {
                    self.additional_directories.clone_from(directories);
                }
                if let Some(thinking) = changed.thinking {
                    self.thinking = thinking;
                }
                if let Some(archived) = changed.archived {
                    self.archived = archived;
                }
                if let Some(recovery) = changed.recovery {
                    self.recovery = recovery;
                }
            }
            EventBody::SessionStatusChanged(changed) => self.status = changed.status,
            EventBody::SessionSealed(sealed) => {
                self.status = SessionStatus::Sealed;
                let message = sealed.message.clone();
                self.sealed = Some(Seal { reason: sealed.reason, message, sealed_at: event.timestamp });
            }
            EventBody::SessionUnsealed(_) => {
                self.status = SessionStatus::Idle;
                self.sealed = None;
            }
            EventBody::SessionCleared(_) => {
                self.message_count = 0;
                self.first_seq = event.seq;
            }
            EventBody::PromptReceived(received) => {
                self.message_count += 1;
                self.queued_count += 1;
                if self.title.is_none() {
                    self.title = title_from(&received.content.text());
                }
            }
            EventBody::PromptStarted(_) | EventBody::PromptWithdrawn(_) => {
                self.queued_count = self.queued_count.saturating_sub(1);
            }
            EventBody::MessageComplete(_) | EventBody::MessageError(_) => self.message_count += 1,
            EventBody::CommandStarted(_) => self.running_commands += 1,
            EventBody::CommandEnded(_) => self.running_commands = self.running_commands.saturating_sub(1),
            EventBody::UsageUpdated(usage) => self.token_usage = usage.session,
            _ => {}
        }
    }
}

/// The first line that says something, shortened.
fn title_from(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut title: String = line.chars().take(TITLE_MAX_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    Some(title)
}
