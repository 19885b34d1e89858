//! Prompts: accepted once, withdrawn, moved in the queue, joined to the running turn.

use wharf_protocol::event::{PromptQueued, PromptReceived, PromptRejected, PromptStarted, PromptWithdrawn};
use wharf_protocol::{ConflictStrategy, MessageId, Priority, TurnId};

use crate::core::Core;
use crate::input::{EarlierPrompt, NewPrompt};
use crate::outcome::{Accepted, Answer, Rejected};
use crate::state::{Place, WaitingPrompt};

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
