//! Prompts: they wait, and begin or are taken back.

use super::super::clip::{attachments_of, line, maybe_line};
use super::super::{
    Change, EntryBody, Excerpt, Notice, PROMPT_MAX_BYTES, Place, PromptEntry, Transcript, WAITING_MAX, WaitingPrompt,
};
use super::Origin;
use crate::event::{PromptQueued, PromptReceived, PromptStarted, PromptWithdrawn};
use crate::{ConflictStrategy, MessageId};

impl Transcript {
    pub(super) fn received<'e>(&mut self, origin: Origin<'_>, received: &'e PromptReceived, out: &mut Vec<Change<'e>>) {
        let place = match received.conflict_strategy {
            ConflictStrategy::Steer if self.turn.is_some() => Place::Steer,
            ConflictStrategy::Interrupt if self.turn.is_some() => Place::Head,
            _ => Place::Queue,
        };
        self.waiting.push(WaitingPrompt {
            message_id: received.message_id.clone(),
            turn_id: origin.turn_id.cloned(),
            seq: origin.seq,
            received_at: origin.at,
            place,
            priority: received.priority,
            sender: maybe_line(received.sender.as_ref()),
            text: Excerpt::new(&received.content.text(), PROMPT_MAX_BYTES),
            attachments: attachments_of(&received.content),
        });
        self.sort_waiting();
        self.waiting.truncate(WAITING_MAX);
        out.push(Change::Waiting(&received.message_id));
    }

    /// A prompt that interrupted and is given another priority waits like any other.
    pub(super) fn queued<'e>(&mut self, queued: &'e PromptQueued, out: &mut Vec<Change<'e>>) {
        if let Some(prompt) = self.waiting.iter_mut().find(|prompt| prompt.message_id == queued.message_id)
            && prompt.priority != queued.priority
        {
            prompt.priority = queued.priority;
            prompt.place = Place::Queue;
            self.sort_waiting();
        }
        out.push(Change::Waiting(&queued.message_id));
    }

    pub(super) fn prompt_started<'e>(
        &mut self,
        origin: Origin<'_>,
        started: &'e PromptStarted,
        out: &mut Vec<Change<'e>>,
    ) {
        let PromptStarted { message_id, steered } = started;
        let (message_id, steered) = (message_id.clone(), *steered);
        let prompt = match self.take_waiting(&message_id) {
            Some(WaitingPrompt { seq, sender, text, attachments, .. }) => {
                PromptEntry { message_id, steered, sender, text, attachments, received_seq: Some(seq) }
            }
            None => PromptEntry {
                message_id,
                steered,
                sender: None,
                text: Excerpt::default(),
                attachments: Vec::new(),
                received_seq: None,
            },
        };
        out.push(Change::Waiting(&started.message_id));
        self.push(origin, false, EntryBody::Prompt(prompt), out);
    }

    pub(super) fn withdrawn<'e>(
        &mut self,
        origin: Origin<'_>,
        withdrawn: &'e PromptWithdrawn,
        out: &mut Vec<Change<'e>>,
    ) {
        let PromptWithdrawn { message_id, reason, by } = withdrawn;
        let text = self.take_waiting(message_id).map(|prompt| first_line(prompt.text.head())).unwrap_or_default();
        out.push(Change::Waiting(message_id));
        let (reason, by) = (line(reason), maybe_line(by.as_ref()));
        self.notice(origin, Notice::Withdrawn { message_id: message_id.clone(), reason, by, text }, out);
    }

    fn take_waiting(&mut self, id: &MessageId) -> Option<WaitingPrompt> {
        let at = self.waiting.iter().position(|prompt| prompt.message_id == *id)?;
        Some(self.waiting.remove(at))
    }

    fn sort_waiting(&mut self) {
        self.waiting.sort_by_key(|prompt| (prompt.place, std::cmp::Reverse(prompt.priority), prompt.seq));
    }
}

/// The first line that says something.
fn first_line(text: &str) -> String {
    line(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}
