//! What happened beside the conversation, in one line each.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{CompactReason, LeftOut, ReplyDefect};
use crate::{MessageId, Mode, SealReason, Seq, SessionId, Thinking, ToolLocation, UnseenImages};

/// Something to tell once. The words are each reader's, from the vocabulary; what is foreign text is bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// The session is a copy; what stands before this is the other one's.
    Forked {
        session_id: SessionId,
        at_seq: Seq,
    },
    /// What was said is gone, and the model starts afresh.
    Cleared {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    Deleted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Settings that change what the agent does; only what changed is there.
    Settings(Settings),
    /// The server was started again after it had stopped in the middle of something.
    Recovered {
        reason: String,
    },
    /// The turn goes on after that.
    Resumed {
        reason: String,
        attempt: u32,
    },
    Sealed {
        reason: SealReason,
        message: String,
    },
    Unsealed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A prompt was not taken.
    Rejected {
        message_id: MessageId,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<String>,
    },
    /// A prompt was taken back before it began.
    Withdrawn {
        message_id: MessageId,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Its text, as far as one line shows it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    /// The model is asked again after `delay_ms`.
    Retrying {
        attempt: u32,
        max_attempts: u32,
        delay_ms: u64,
        error: String,
    },
    /// The model's reply could not be used.
    Defect {
        defect: ReplyDefect,
        error: String,
    },
    /// Images were not shown to the model; those of an earlier notice too.
    Unseen(UnseenImages),
    /// A part of the conversation is left out of what the model is shown.
    Compacted {
        reason: CompactReason,
        tokens_before: u64,
        tokens_after: u64,
        left_out: LeftOut,
        /// The model's own summary stands for the messages that are left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        summed_up: bool,
    },
    /// The model is asked to sum up a part of the conversation.
    Compacting {
        reason: CompactReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        attempt: u32,
    },
    /// No summary came of it, and nothing is left out.
    CompactionFailed {
        error: String,
    },
    /// An event that this version does not know.
    UnknownEvent {
        r#type: String,
    },
    /// A notice of a newer version.
    #[serde(other)]
    Unknown,
}

/// What of a session's settings is different from here on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_location: Option<ToolLocation>,
    /// All of them as they are from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_directories: Option<Vec<PathBuf>>,
    /// Why the server changed it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
