//! Prompts: acceptance, the queue, and the memory of ids that makes a repeated request safe.

use std::collections::{BTreeMap, VecDeque};

use wharf_protocol::event::{PromptQueued, PromptReceived, PromptRejected, PromptStarted, PromptWithdrawn};
use wharf_protocol::prompt::QueuedPrompt;
use wharf_protocol::{ConflictStrategy, Event, Message, MessageId, Priority, PromptContent, Seq, Timestamp, TurnId};

use crate::core::Core;
use crate::{Accepted, Answer, EarlierPrompt, NewPrompt, Rejected, message_of};

/// So many prompts that have ended are still known by id.
const REMEMBERED_PROMPTS: usize = 256;

/// Prompts that wait, and prompts that are known.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    /// In order of execution.
    waiting: Vec<WaitingPrompt>,
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

    fn find(&self, id: &MessageId) -> Option<&WaitingPrompt> {
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

    fn of_turn(&self, turn_id: &TurnId) -> Option<MessageId> {
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

impl Core {
    pub(crate) fn prompt_received(&mut self, prompt: NewPrompt) -> Result<Answer, Rejected> {
        if let Some((accepted, body_hash)) = self.prompts.known(&prompt.message_id) {
            return if body_hash == prompt.body_hash {
                Ok(Answer::Prompt(accepted))
            } else {
                Err(Rejected::IdempotencyMismatch { message_id: prompt.message_id })
            };
        }
        if let Some(earlier) = &prompt.earlier {
            return answer_again(&prompt, earlier);
        }
        if self.deleting.is_some() {
            return Err(Rejected::Deleted);
        }
        if self.draining {
            return Err(Rejected::Draining);
        }
        let waits = self.turn.is_some() || !self.prompts.is_empty();
        if waits && prompt.conflict_strategy == ConflictStrategy::Reject {
            let NewPrompt { message_id, sender, .. } = prompt;
            self.emit(None, PromptRejected { message_id, reason: "a turn is running".to_owned(), sender });
            return Err(Rejected::Busy);
        }
        if waits && self.prompts.len() >= self.config.queue_limit {
            return Err(Rejected::QueueFull { limit: self.config.queue_limit });
        }
        Ok(self.accept(prompt, waits))
    }

    fn accept(&mut self, prompt: NewPrompt, waits: bool) -> Answer {
        let NewPrompt { message_id, content, priority, conflict_strategy, sender, metadata, body_hash, earlier: _ } =
            prompt;
        let joins = match (&self.turn, conflict_strategy) {
            (Some(turn), ConflictStrategy::Steer) if !turn.is_ending() => Some(turn.turn_id.clone()),
            _ => None,
        };
        let is_steer = joins.is_some();
        let turn_id = joins.unwrap_or_else(|| self.ids.turn());
        let received = PromptReceived {
            message_id: message_id.clone(),
            content,
            priority,
            conflict_strategy,
            sender: sender.clone(),
            metadata,
            body_hash,
        };
        self.emit(Some(turn_id.clone()), received);
        let seq = self.session.last_seq;
        if waits && !is_steer {
            let position = self.prompts.position(&message_id).unwrap_or(1);
            self.emit(Some(turn_id.clone()), PromptQueued { message_id: message_id.clone(), position, priority });
        }
        if conflict_strategy == ConflictStrategy::Interrupt {
            self.cancel_turn(sender, false);
        }
        // `handle` fills the position in.
        Answer::Prompt(Accepted { message_id, turn_id, position: None, seq })
    }

    pub(crate) fn withdraw(&mut self, message_id: MessageId, by: Option<String>) -> Result<Answer, Rejected> {
        if self.prompts.find(&message_id).is_none() {
            return Err(Rejected::UnknownPrompt { message_id });
        }
        self.withdraw_prompt(message_id, "withdrawn", by);
        Ok(Answer::Done)
    }

    pub(crate) fn withdraw_prompt(&mut self, message_id: MessageId, reason: &str, by: Option<String>) {
        let turn_id = self.prompts.find(&message_id).map(|prompt| prompt.turn_id.clone());
        self.emit(turn_id, PromptWithdrawn { message_id, reason: reason.to_owned(), by });
    }

    pub(crate) fn withdraw_all(&mut self, reason: &str, by: Option<&String>) {
        for message_id in self.prompts.ids() {
            self.withdraw_prompt(message_id, reason, by.cloned());
        }
    }

    /// Withdraws the prompt whose turn has not started.
    pub(crate) fn withdraw_turn(&mut self, turn_id: &TurnId, by: Option<String>) -> Result<(), Rejected> {
        let Some(message_id) = self.prompts.of_turn(turn_id) else {
            return Err(Rejected::UnknownTurn { turn_id: turn_id.clone() });
        };
        self.withdraw_prompt(message_id, "cancelled before it ran", by);
        Ok(())
    }

    pub(crate) fn reprioritise(&mut self, message_id: MessageId, priority: Priority) -> Result<Answer, Rejected> {
        let Some(waiting) = self.prompts.find(&message_id).cloned() else {
            return Err(Rejected::UnknownPrompt { message_id });
        };
        // A prompt that joins the running turn has no rivals.
        if waiting.priority == priority || waiting.place == Place::Steer {
            return Ok(Answer::Done);
        }
        let position = self.position_with(&waiting, priority);
        self.emit(Some(waiting.turn_id), PromptQueued { message_id, position, priority });
        Ok(Answer::Done)
    }

    /// The place that a prompt will have with another priority.
    fn position_with(&self, moved: &WaitingPrompt, priority: Priority) -> usize {
        let is_before = |other: &&WaitingPrompt| {
            other.message_id != moved.message_id
                && (other.place < Place::Queue
                    || other.priority > priority
                    || (other.priority == priority && other.seq < moved.seq))
        };
        self.prompts.waiting.iter().filter(is_before).count() + 1
    }

    /// Lets the prompts join that were sent to the running turn.
    pub(crate) fn join_steers(&mut self) {
        for message_id in self.prompts.steers() {
            self.emit_in_turn(PromptStarted { message_id, steered: true });
        }
    }
}

/// The same prompt once more gets the same answer; another one with its id gets none.
fn answer_again(prompt: &NewPrompt, earlier: &EarlierPrompt) -> Result<Answer, Rejected> {
    let message_id = prompt.message_id.clone();
    if earlier.body_hash != prompt.body_hash {
        return Err(Rejected::IdempotencyMismatch { message_id });
    }
    Ok(Answer::Prompt(Accepted { message_id, turn_id: earlier.turn_id.clone(), position: None, seq: earlier.seq }))
}
