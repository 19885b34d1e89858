//! A session's log as a file: one line that describes it, then one event a line.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Mode, RecoveryPolicy, Seq, Session, SessionId, Thinking, ToolLocation};

/// What `format` says.
pub const FORMAT: &str = "wharf-session";
/// The newest version that is written, and read.
pub const VERSION: u32 = 1;
/// Its media type.
pub const MEDIA_TYPE: &str = "application/x-ndjson";
/// Longest line that is taken, in bytes. The largest event is well below it.
pub const LINE_MAX_BYTES: usize = 16 << 20;

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportHead {
    /// `wharf-session`
    pub format: String,
    pub version: u32,
    /// The session that was exported.
    pub session: ExportedSession,
    /// The last event that may follow.
    pub last_seq: Seq,
}

/// A session's settings. Its MCP servers are not among them: they may hold secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportedSession {
    pub id: SessionId,
    pub cwd: PathBuf,
    pub agent_name: String,
    /// `provider/name`
    pub model: String,
    pub mode: Mode,
    #[serde(default)]
    pub thinking: Thinking,
    #[serde(default)]
    pub tool_location: ToolLocation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "RecoveryPolicy::is_server")]
    pub recovery: RecoveryPolicy,
}

impl ExportHead {
    /// Of the session as it is now.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            session: ExportedSession {
                id: session.id.clone(),
                cwd: session.cwd.clone(),
                agent_name: session.agent_name.clone(),
                model: session.model.clone(),
                mode: session.mode,
                thinking: session.thinking,
                tool_location: session.tool_location,
                title: session.title.clone(),
                recovery: session.recovery,
            },
            last_seq: session.last_seq,
        }
    }

    /// What is wrong with a first line that was read, if something is.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format is {:?}, not {FORMAT:?}", self.format));
        }
        if self.version != VERSION {
            return Err(format!("version is {}; this server reads {VERSION}", self.version));
        }
        Ok(())
    }
}
