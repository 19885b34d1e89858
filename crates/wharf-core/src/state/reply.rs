//! Where a turn stands with the model, and what the model has begun to say.

use wharf_protocol::{MessageId, Timestamp};

/// Where the turn stands with the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ModelState {
    #[default]
    Idle,
    Asked {
        ask: u64,
        model: String,
    },
    /// Until the next attempt.
    Waiting {
        until: Timestamp,
    },
}

/// A message that the model has begun.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenReply {
    pub(crate) message_id: MessageId,
    /// `message.start` was sent.
    pub(crate) is_started: bool,
    pub(crate) text: String,
    pub(crate) reasoning: String,
}

impl OpenReply {
    pub(crate) fn new(message_id: MessageId) -> Self {
        Self { message_id, is_started: false, text: String::new(), reasoning: String::new() }
    }
}
