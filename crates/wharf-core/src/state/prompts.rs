//! Prompts that wait, and the memory of ids that makes a repeated request safe.

use std::collections::{BTreeMap, VecDeque};

use wharf_protocol::event::{PromptQueued, PromptReceived};
use wharf_protocol::prompt::QueuedPrompt;
use wharf_protocol::{Event, Message, MessageId, Priority, PromptContent, Seq, Timestamp, TurnId};

use crate::message::message_of;
use crate::outcome::Accepted;

/// So many prompts that have ended are still known by id.
const REMEMBERED_PROMPTS: usize = 256;

/// Prompts that wait, and prompts that are known.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    /// In order of execution.
    pub(crate) waiting: Vec<WaitingPrompt>,
    known: BTreeMap<MessageId, Known>,
    /// Oldest first.
    ended: VecDeque<MessageId>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WaitingPrompt {
    pub(crate) message_id: MessageId,
    pub(crate) turn_id: TurnId,
    pub(crate) priority: Priority,
    pub(crate) content: PromptContent,
    pub(crate) sender: Option<String>,
    pub(crate) received_at: Timestamp,
    pub(crate) seq: Seq,
    pub(crate) place: Place,
    /// What the model is shown of it.
    pub(crate) message: Message,
}

/// Where a prompt waits; in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// For the running turn's next model call.
    Steer,
    /// It interrupted the running turn.
    Head,
    Queue,
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    turn_id: TurnId,
    seq: Seq,
    body_hash: String,
}

impl Prompts {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn queue(&self) -> Vec<QueuedPrompt> {
        let prompts = self.waiting.iter().enumerate();
        prompts
            .map(|(index, prompt)| QueuedPrompt {
                message_id: prompt.message_id.clone(),
                turn_id: prompt.turn_id.clone(),
                position: index + 1,
                priority: prompt.priority,
                content: prompt.content.clone(),
                sender: prompt.sender.clone(),
                received_at: prompt.received_at,
            })
            .collect()
    }

    /// The place of a prompt that waits for its turn; 1 is next. One that joins the running turn waits for none.
    pub(crate) fn position(&self, id: &MessageId) -> Option<usize> {
        let is_it = |prompt: &WaitingPrompt| prompt.message_id == *id && prompt.place != Place::Steer;
        self.waiting.iter().position(is_it).map(|index| index + 1)
    }

    pub(crate) fn known(&self, id: &MessageId) -> Option<(Accepted, &str)> {
        let known = self.known.get(id)?;
        let accepted = Accepted {
            message_id: id.clone(),
            turn_id: known.turn_id.clone(),
            position: self.position(id),
            seq: known.seq,
        };
        Some((accepted, &known.body_hash))
    }

    pub(crate) fn find(&self, id: &MessageId) -> Option<&WaitingPrompt> {
        self.waiting.iter().find(|prompt| prompt.message_id == *id)
    }

    pub(crate) fn is_waiting(&self, id: &MessageId) -> bool {
        self.find(id).is_some()
    }

    /// The one whose turn is next.
    pub(crate) fn next(&self) -> Option<&WaitingPrompt> {
        self.waiting.iter().find(|prompt| prompt.place != Place::Steer)
    }

    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.waiting.iter().map(|prompt| prompt.message_id.clone()).collect()
    }

    /// Those that wait to join the running turn.
    pub(crate) fn steers(&self) -> Vec<MessageId> {
        let steers = self.waiting.iter().filter(|prompt| prompt.place == Place::Steer);
        steers.map(|prompt| prompt.message_id.clone()).collect()
    }

    pub(crate) fn of_turn(&self, turn_id: &TurnId) -> Option<MessageId> {
        self.waiting.iter().find(|prompt| prompt.turn_id == *turn_id).map(|prompt| prompt.message_id.clone())
    }

    pub(crate) fn received(&mut self, event: &Event, received: &PromptReceived, place: Place) {
        let (Some(turn_id), Some(message)) = (&event.turn_id, message_of(event)) else { return };
        self.waiting.push(WaitingPrompt {
            message_id: received.message_id.clone(),
            turn_id: turn_id.clone(),
            priority: received.priority,
            content: received.content.clone(),
            sender: received.sender.clone(),
            received_at: event.timestamp,
            seq: event.seq,
            place,
            message,
        });
        self.sort();
        let known = Known { turn_id: turn_id.clone(), seq: event.seq, body_hash: received.body_hash.clone() };
        self.known.insert(received.message_id.clone(), known);
    }

    /// A prompt that interrupted and is given another priority waits like any other.
    pub(crate) fn queued(&mut self, queued: &PromptQueued) {
        let Some(prompt) = self.waiting.iter_mut().find(|p| p.message_id == queued.message_id) else { return };
        if prompt.priority != queued.priority {
            prompt.priority = queued.priority;
            prompt.place = Place::Queue;
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.waiting.sort_by(|a, b| {
            let by_place = a.place.cmp(&b.place);
            by_place.then_with(|| match a.place {
                Place::Steer => a.seq.cmp(&b.seq),
                // The later one interrupted the earlier one's turn to be.
                Place::Head => b.seq.cmp(&a.seq),
                Place::Queue => b.priority.cmp(&a.priority).then(a.seq.cmp(&b.seq)),
            })
        });
    }

    pub(crate) fn take(&mut self, id: &MessageId) -> Option<WaitingPrompt> {
        let index = self.waiting.iter().position(|prompt| prompt.message_id == *id)?;
        Some(self.waiting.remove(index))
    }

    /// A prompt has reached its end.
    pub(crate) fn ended(&mut self, id: MessageId) {
        self.ended.push_back(id);
        if self.ended.len() > REMEMBERED_PROMPTS
            && let Some(oldest) = self.ended.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
