//! What a session's log says, for people: one pure fold from events to entries, which every reader shares.
//!
//! The state can be written down after any event and taken up again from there. It has the newest entries only; a reader that
//! keeps none at all ([`Transcript::keep`]) is still told what each event changes. The fold looks at entries that are *open*,
//! which means that more may come of them, and at nothing else: so what is dropped of the others changes nothing that comes
//! later. Pieces of texts that retention has dropped make no difference once the whole text is there.
//!
//! Readers in other languages pass the same fixtures: `fixtures/transcript`.

mod change;
mod clip;
mod entry;
mod excerpt;
mod fold;
mod notice;

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use change::Change;
pub use entry::{
    Attachment, CallEntry, CallState, CommandEntry, DiffEntry, Entry, EntryBody, MessageEntry, MessageState,
    PlanChange, PromptEntry, QuestionEntry, ReasoningEntry, TurnEntry, TurnError, TurnOutcome,
};
pub use excerpt::Excerpt;
pub use notice::{Notice, Settings};

use crate::event::UsageUpdated;
use crate::tool::PlanEntry;
use crate::{CallId, CommandId, MessageId, Permission, Priority, Seq, Timestamp, TurnId};

/// Most entries. Before an event is taken, the oldest that are not open are dropped until no more are there; where all are open,
/// the oldest of them, and what comes of it later begins an entry of its own.
pub const ENTRIES_MAX: usize = 600;
/// Most prompts that wait; of more, those that would go last are left out.
pub const WAITING_MAX: usize = 256;
/// Largest text of a message or of reasoning, in bytes: of a longer one head and tail are kept, here and below.
pub const MESSAGE_MAX_BYTES: usize = 64 << 10;
pub const PROMPT_MAX_BYTES: usize = 32 << 10;
/// Of a running call's output.
pub const OUTPUT_MAX_BYTES: usize = 32 << 10;
/// Of what a call came to.
pub const RESULT_MAX_BYTES: usize = 32 << 10;
/// Of a question, and of a background command's line.
pub const QUESTION_MAX_BYTES: usize = 8 << 10;
/// Largest arguments of a call, as compact JSON; of larger ones only the size is kept.
pub const ARGUMENTS_MAX_BYTES: usize = 8 << 10;
/// Of the patches of one call together: each gets what the ones before it left.
pub const PATCHES_MAX_BYTES: usize = 64 << 10;
/// The same for an open question, where all of it is to be judged: as much as a preview can have.
pub const PREVIEW_MAX_BYTES: usize = 512 << 10;
/// Longest name, path, reason or other text of one line, in bytes; of a longer one the head is kept, with an ellipsis.
pub const LINE_MAX_BYTES: usize = 2 << 10;
/// Most diffs, places, paths or attachments of one entry; further ones are counted or left out.
pub const LIST_MAX: usize = 100;

/// A session's transcript, up to one event. Fields are only ever added to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Transcript {
    /// The event that was taken last; the state goes on with the next one.
    pub last_seq: Seq,
    /// In the order of their `seq`.
    pub entries: VecDeque<Entry>,
    /// Older entries that are not here any more.
    #[serde(skip_serializing_if = "clip::is_zero")]
    pub dropped: u64,
    /// The turn that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<OpenTurn>,
    /// The turn that ended last: nothing more comes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_turn: Option<TurnId>,
    /// Prompts that are accepted and not started, in the order in which they will go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingPrompt>,
    /// The agent's plan as it is now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageUpdated>,
}

/// The turn that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTurn {
    pub turn_id: TurnId,
    /// The prompt that it answers.
    pub message_id: MessageId,
    pub model: String,
    pub agent_name: String,
    pub started_at: Timestamp,
    /// Calls that have their outcome.
    #[serde(default, skip_serializing_if = "clip::is_zero")]
    pub calls: u64,
    /// Paths that its calls have changed, each once, in the order of their first change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// How often it was taken up again after its server had stopped.
    #[serde(default, skip_serializing_if = "clip::is_zero")]
    pub resumed: u64,
    /// Somebody asked to cancel it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
}

/// A prompt that is accepted and not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingPrompt {
    pub message_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// The event that accepted it: its whole content is there.
    pub seq: Seq,
    pub received_at: Timestamp,
    pub place: Place,
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    #[serde(default, skip_serializing_if = "Excerpt::is_empty")]
    pub text: Excerpt,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Where a prompt waits; in the order in which they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// For the running turn's next model call.
    Steer,
    /// It interrupted the running turn.
    Head,
    Queue,
}

impl Transcript {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops the oldest entries until so many are left; those that are open stay.
    pub fn keep(&mut self, most: usize) {
        let mut at = 0;
        while self.entries.len() > most && at < self.entries.len() {
            if self.entries[at].open {
                at += 1;
            } else {
                self.entries.remove(at);
                self.dropped += 1;
            }
        }
    }

    /// The call of this id that has no outcome yet.
    #[must_use]
    pub fn open_call(&self, id: &CallId) -> Option<&CallEntry> {
        self.open().find_map(|entry| entry.as_call().filter(|call| call.call_id == *id))
    }

    /// The background command of this id that runs.
    #[must_use]
    pub fn running_command(&self, id: &CommandId) -> Option<&CommandEntry> {
        self.open().find_map(|entry| entry.as_command().filter(|command| command.command_id == *id))
    }

    /// The questions that have no answer yet, oldest first.
    pub fn open_questions(&self) -> impl Iterator<Item = &QuestionEntry> {
        self.open().filter_map(Entry::as_question)
    }

    /// The entries that more may come of, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.open)
    }

    /// An open question that a reader learnt of otherwise, because it began to read after it had been asked.
    pub fn ask(&mut self, permission: &Permission) -> Vec<Change<'static>> {
        fold::ask(self, permission)
    }
}

#[cfg(test)]
mod tests;
