//! Prompts and their turns: accepted, waited for, cancelled; and the queue.

mod images;

use sha2::{Digest, Sha256};
use wharf_core::{Accepted, Answer, Core, Input, NewPrompt};
use wharf_protocol::rest::{Cancel, CancelAnswer, Queue};
use wharf_protocol::{MessageId, Priority, Prompt, SessionId, Turn, TurnId};

use super::Access;
use super::checks::loggable;
use crate::EngineError;
use crate::entropy::entropy;
use crate::request::Request;

impl Access {
    /// Accepts a prompt: once this returns, it is on disk and will reach exactly one end, whoever leaves.
    pub async fn prompt(&self, session: &SessionId, prompt: Prompt) -> Result<Accepted, EngineError> {
        let Prompt { content, id, priority, conflict_strategy, stream: _, metadata } = prompt;
        if content.is_empty() {
            return Err(EngineError::Invalid { field: "content", reason: "must not be empty".to_owned() });
        }
        // Judged here and nowhere else: every door leads through here, and the limit may change while the server runs.
        let limit = self.shared.config().limits.prompt_text_bytes;
        let length = content.text().len();
        if length > limit {
            let reason = format!("{length} bytes of text; a prompt may have {limit} (limits.prompt_text_bytes)");
            return Err(EngineError::TooLarge { field: "content", reason });
        }
        metadata.as_ref().map_or(Ok(()), |metadata| loggable("metadata", metadata))?;
        let content = images::checked(content).await?;
        let meaning = serde_json::to_vec(&(&content, priority, conflict_strategy, &metadata))
            .map_err(|error| EngineError::Internal(error.to_string()))?;
        let lookup = id.is_some();
        let prompt = Box::new(NewPrompt {
            message_id: id.unwrap_or_else(|| MessageId::from_bits(entropy())),
            content,
            priority,
            conflict_strategy,
            sender: self.caller.by(),
            metadata,
            body_hash: hex(&Sha256::digest(meaning)),
            earlier: None,
        });
        match self.shared.ask(session, |reply| Request::Prompt { prompt, lookup, reply }).await? {
            Answer::Prompt(accepted) => Ok(accepted),
            other => Err(EngineError::Internal(format!("a prompt was answered with {other:?}"))),
        }
    }

    /// Waits for a turn's end. Dropping the future only stops the waiting.
    pub async fn wait_turn(&self, session: &SessionId, turn: &TurnId) -> Result<Turn, EngineError> {
        let feed = self.shared.feed(session).await?;
        let mut turns = feed.turns();
        loop {
            turns.borrow_and_update();
            let turn = self.turn(session, turn).await?;
            // The row may be ahead of what may be shown, by one sync.
            if turn.status.is_final() && turn.last_seq.is_none_or(|last| last <= feed.last()) {
                return Ok(turn);
            }
            if feed.has_ended() {
                return Err(EngineError::SessionNotFound(session.clone()));
            }
            if let Some(seal) = self.session(session).await?.sealed {
                return Err(EngineError::Sealed { session: session.clone(), seal: Box::new(seal) });
            }
            turns.changed().await.map_err(|_| EngineError::Stopping)?;
        }
    }

    pub async fn cancel(&self, session: &SessionId, cancel: Cancel) -> Result<CancelAnswer, EngineError> {
        let Cancel { force, turn_id, clear_queue } = cancel;
        let input = Input::Cancel { by: self.caller.by(), force, clear_queue: clear_queue || force, turn_id };
        let turn_id = match self.ask(session, input).await? {
            Answer::Cancelled(turn_id) => turn_id,
            _ => None,
        };
        Ok(CancelAnswer { status: "cancelled".to_owned(), session_id: session.clone(), turn_id })
    }

    pub async fn queue(&self, session: &SessionId) -> Result<Queue, EngineError> {
        let prompts = self.shared.look(session, Core::queue).await?;
        Ok(Queue { session_id: session.clone(), prompts, limit: self.shared.config().limits.queued_prompts })
    }

    pub async fn withdraw(&self, session: &SessionId, prompt: &MessageId) -> Result<(), EngineError> {
        self.ask(session, Input::Withdraw { message_id: prompt.clone(), by: self.caller.by() }).await.map(drop)
    }

    pub async fn reprioritise(
        &self,
        session: &SessionId,
        prompt: &MessageId,
        priority: Priority,
    ) -> Result<Queue, EngineError> {
        self.ask(session, Input::Reprioritise { message_id: prompt.clone(), priority }).await?;
        self.queue(session).await
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
