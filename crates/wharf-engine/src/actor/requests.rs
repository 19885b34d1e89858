//! What a session's owner is asked, and how it answers.

use wharf_core::{Answer, EarlierPrompt, Input, NewPrompt, Rejected};
use wharf_protocol::Turn;

use super::Actor;
use crate::EngineError;
use crate::request::{ReplyTo, Request};

impl Actor {
    pub(super) async fn on_request(&mut self, request: Request) -> Result<(), EngineError> {
        match request {
            Request::Ask { input, reply } => {
                let answer = self.handle(*input).await;
                self.reply(reply, answer)
            }
            Request::Prompt { prompt, lookup, reply } => {
                let answer = self.prompt(*prompt, lookup).await;
                self.reply(reply, answer)
            }
            Request::Delete { by, reply } => match self.handle(Input::Delete { by }).await {
                // The answer comes with its end, if that did not come at once.
                Ok(Ok(_)) if !self.feed.has_ended() => {
                    self.deleting.push(reply);
                    Ok(())
                }
                answer => self.reply(reply, answer.map(|answer| answer.map(drop))),
            },
            Request::Rest => {
                self.idleness.is_resting = true;
                Ok(())
            }
            Request::Mcp { servers, reply } => {
                let replaced = self.replace_mcp(servers).await;
                drop(reply.send(replaced));
                Ok(())
            }
            Request::StartCommand { call_id, launch, reply } => {
                let answer = self.start_command(call_id, *launch).await;
                self.reply(reply, answer)
            }
            Request::Look(look) => {
                look(Ok(&self.core));
                Ok(())
            }
        }
    }

    /// Tells the one who asked; an error of the store also ends this life of the session.
    fn reply<T>(&self, reply: ReplyTo<T>, answer: Result<Result<T, Rejected>, EngineError>) -> Result<(), EngineError> {
        let (told, end) = match answer {
            Ok(Ok(answer)) => (Ok(answer), Ok(())),
            Ok(Err(rejected)) => (Err(EngineError::from_rejected(&self.session, rejected)), Ok(())),
            Err(error) => (Err(error.again()), Err(error)),
        };
        // Whoever asked may have left.
        drop(reply.send(told));
        end
    }

    async fn prompt(&mut self, mut prompt: NewPrompt, lookup: bool) -> Result<Result<Answer, Rejected>, EngineError> {
        if lookup && !self.core.knows_prompt(&prompt.message_id) {
            let earlier = self.shared.store.turn_of_prompt(&self.session, &prompt.message_id).await?;
            prompt.earlier = earlier.map(|(Turn { turn_id, first_seq: seq, .. }, body_hash)| EarlierPrompt {
                turn_id,
                seq,
                body_hash,
            });
        }
        self.handle(Input::Prompt(prompt)).await
    }
}
