//! What a client does in a session that it sees: prompts, cancels, settings, answers.

use agent_client_protocol_schema::v1 as acp;
use serde_json::{Value, json};
use wharf_protocol::rest::{AnswerPermission, Cancel, UpdateSession};
use wharf_protocol::{ContentBlock, MessageId, PermissionId, PermissionOption, Prompt, PromptContent, Session};

use super::{AttachEnd, Attached, Pending, slash};
use crate::acp::asking::{ClientAnswer, read};
use crate::acp::content;
use crate::acp::method::Ours;
use crate::acp::render::end_of;
use crate::acp::rpc::{Id, RpcError};
use crate::random::random_bits;

impl Attached {
    pub(super) async fn prompt(
        &mut self,
        id: &Id,
        blocks: Vec<acp::ContentBlock>,
        prompt_id: Option<MessageId>,
    ) -> Result<(), RpcError> {
        self.ensure_view().await?;
        let blocks: Vec<_> = blocks.into_iter().map(content::from_acp).collect::<Result<_, _>>()?;
        if let Some(command) = slash::command_of(&blocks) {
            // Whether the client is still there, the reader learns from the writer.
            let _ = self.slash(id, command).await;
            return Ok(());
        }
        let message_id = prompt_id.unwrap_or_else(|| MessageId::from_bits(random_bits()));
        // Plain text is what it is through every other door.
        let content = match <[_; 1]>::try_from(blocks) {
            Ok([ContentBlock::Text { text }]) => PromptContent::Text(text),
            Ok(block) => PromptContent::Blocks(block.into()),
            Err(blocks) => PromptContent::Blocks(blocks),
        };
        let mut prompt = Prompt::new(content);
        prompt.id = Some(message_id.clone());
        let access = &self.context.principal.access;
        if let Some(offer) = &self.offer {
            offer.leads(&message_id);
        }
        // Before the log can say so: this client shows the prompt itself.
        self.own.insert(message_id.clone());
        match access.prompt(&self.session_id, prompt).await {
            Ok(accepted) => {
                let turn_id = accepted.turn_id;
                self.pending.push(Pending { id: id.clone(), message_id, turn_id });
                Ok(())
            }
            Err(error) => {
                self.own.remove(&message_id);
                Err(error.into())
            }
        }
    }

    /// A prompt that was sent twice may be about a turn whose end this client's cursor has passed.
    pub(super) async fn answer_ended_before(&mut self) -> Result<(), AttachEnd> {
        let (Some(last), Some(view), true) = (self.pending.last(), &self.view, self.client.is_bridge) else {
            return Ok(());
        };
        let Ok(turn) = self.context.principal.access.turn(&self.session_id, &last.turn_id).await else { return Ok(()) };
        if turn.status.is_final()
            && turn.last_seq.is_some_and(|end| end <= view.cursor.position())
            && let Some(pending) = self.pending.pop()
        {
            self.own.remove(&pending.message_id);
            let outcome = end_of(&turn).map(acp::PromptResponse::new).map_err(RpcError::from);
            self.context.out.answer(&pending.id, outcome).await?;
        }
        Ok(())
    }

    pub(super) async fn update(&mut self, change: UpdateSession) -> Result<Session, RpcError> {
        self.ensure_view().await?;
        Ok(self.context.principal.access.update_session(&self.session_id, change).await?)
    }

    /// Stops what runs, and withdraws what this client has waiting: first that, so that none of it starts meanwhile.
    pub(super) async fn cancel_all(&mut self) {
        let access = &self.context.principal.access;
        for pending in &self.pending {
            // The one that runs cannot be withdrawn; it is cancelled.
            let _ = access.withdraw(&self.session_id, &pending.message_id).await;
        }
        if let Err(error) = access.cancel(&self.session_id, Cancel::default()).await {
            tracing::debug!(%error, session.id = %self.session_id, "nothing could be cancelled");
        }
    }

    pub(super) async fn cancel_prompt(&self, at: usize) {
        let Some(pending) = self.pending.get(at) else { return };
        let access = &self.context.principal.access;
        if access.withdraw(&self.session_id, &pending.message_id).await.is_err() {
            let cancel = Cancel { turn_id: Some(pending.turn_id.clone()), ..Cancel::default() };
            // It may have ended by itself.
            let _ = access.cancel(&self.session_id, cancel).await;
        }
    }

    pub(super) async fn close(&mut self, id: Id) -> Result<(), AttachEnd> {
        if self.view.is_none() {
            let answer = match self.context.principal.access.session(&self.session_id).await {
                Ok(_) => Ok(json!({})),
                Err(error) => Err(RpcError::from(error)),
            };
            self.context.out.answer(&id, answer).await?;
            return Err(AttachEnd::Closed);
        }
        // The session and what others do in it live on.
        for at in 0..self.pending.len() {
            self.cancel_prompt(at).await;
        }
        self.closing = Some(id);
        Ok(())
    }

    pub(super) async fn answered(&mut self, permission_id: &PermissionId, answer: ClientAnswer) {
        let option = match read::<acp::RequestPermissionResponse>(Ours::RequestPermission, answer) {
            Ok(response) => option_of(&response.outcome),
            // Others may answer, or the permission's own time limit does.
            Err(error) => return tracing::info!(%error, "an ACP client cannot answer a permission"),
        };
        let answer = AnswerPermission { option, message: None };
        let access = &self.context.principal.access;
        if let Err(error) = access.answer(Some(&self.session_id), permission_id, answer).await {
            // Somebody else was first, or the turn is over.
            tracing::debug!(%error, "an ACP client's answer came too late");
        }
    }
}

fn option_of(outcome: &acp::RequestPermissionOutcome) -> PermissionOption {
    let acp::RequestPermissionOutcome::Selected(selected) = outcome else {
        // The dialog went away without an answer. After a cancel the question is settled already.
        return PermissionOption::RejectOnce;
    };
    let id = Value::String(selected.option_id.0.to_string());
    serde_json::from_value(id).unwrap_or_else(|_| {
        tracing::warn!(option = %selected.option_id.0, "an ACP client chose an option that was not offered");
        PermissionOption::RejectOnce
    })
}
