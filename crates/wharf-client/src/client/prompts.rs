//! Prompts: accepted once however often they are sent, followed across lost connections, cancelled, queued.

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;
use wharf_protocol::rest::{Cancel, CancelAnswer, PromptAnswer, Queue, UpdateQueued};
use wharf_protocol::{MessageId, Priority, Prompt, Seq, SessionId, Turn};

use super::Client;
use crate::backend::Backend;
#[cfg(feature = "embedded")]
use crate::embedded::told;
use crate::remote::Transport;
use crate::{ClientError, Follow, TurnStream, ids};

const PREFER: HeaderName = HeaderName::from_static("prefer");

impl Client {
    /// Asks, and returns as soon as the prompt is on disk. The id is made here where none is given: sending it again after a
    /// lost answer gives the same turn.
    pub async fn prompt(&self, session: &SessionId, prompt: Prompt) -> Result<PromptAnswer, ClientError> {
        self.accept(session, prompt).await.map(|(answer, _)| answer)
    }

    /// Asks, and follows the turn. Events of the turn that happened before this returns come too.
    pub async fn prompt_stream(&self, session: &SessionId, prompt: Prompt) -> Result<TurnStream, ClientError> {
        self.prompt_follow(session, prompt, true).await
    }

    /// The same; with `may_answer` false, nobody is here who answers permissions.
    pub async fn prompt_follow(
        &self,
        session: &SessionId,
        prompt: Prompt,
        may_answer: bool,
    ) -> Result<TurnStream, ClientError> {
        let (answer, first) = self.accept(session, prompt).await?;
        let first = match first {
            Some(first) => first,
            None => self.turn(session, &answer.turn_id).await?.first_seq,
        };
        let mut follow = Follow::after(Seq(first.0.saturating_sub(1)));
        if !may_answer {
            follow = follow.observing();
        }
        let events = self.events(session, follow).await?;
        Ok(TurnStream::new(answer, events))
    }

    /// Asks, and waits for the turn's end, whatever it is; see [`Turn::status`]. A lost connection does not end the wait.
    pub async fn prompt_and_wait(&self, session: &SessionId, prompt: Prompt) -> Result<Turn, ClientError> {
        let mut turn = self.prompt_stream(session, prompt).await?;
        let limit = self.timeouts.turn;
        let end = tokio::time::timeout(limit, async {
            while let Some(event) = turn.next().await {
                event?;
            }
            Ok(())
        });
        end.await.unwrap_or(Err(ClientError::Timeout { what: "the turn", after: limit }))?;
        self.turn(session, &turn.accepted().turn_id).await
    }

    /// Cancels what runs; idle is fine.
    pub async fn cancel(&self, session: &SessionId, body: Cancel) -> Result<CancelAnswer, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                if remote.transport == Transport::WebSocket && body.turn_id.is_none() && body.clear_queue == body.force
                {
                    return remote.cancel_over_socket(session, body.force).await;
                }
                let names_its_turn = body.turn_id.is_some();
                let mut request =
                    remote.http.request(Method::POST, &["sessions", session.as_str(), "cancel"]).json(&body)?;
                if names_its_turn {
                    // Without the turn's name, a repetition might meet the next one.
                    request = request.repeatable();
                }
                remote.http.fetch(request).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.cancel(session, body).await.map_err(told),
        }
    }

    /// The prompts that wait.
    pub async fn queue(&self, session: &SessionId) -> Result<Queue, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                remote.http.fetch(remote.http.get(&["sessions", session.as_str(), "queue"])).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.queue(session).await.map_err(told),
        }
    }

    /// Takes a prompt out of the queue.
    pub async fn withdraw(&self, session: &SessionId, prompt: &MessageId) -> Result<(), ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request =
                    remote.http.request(Method::DELETE, &["sessions", session.as_str(), "queue", prompt.as_str()]);
                remote.http.fetch::<Value>(request).await.map(|_| ())
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.withdraw(session, prompt).await.map_err(told),
        }
    }

    /// Changes a waiting prompt's priority.
    pub async fn reprioritise(
        &self,
        session: &SessionId,
        prompt: &MessageId,
        priority: Priority,
    ) -> Result<Queue, ClientError> {
        match &self.backend {
            Backend::Remote(remote) => {
                let request =
                    remote.http.request(Method::PATCH, &["sessions", session.as_str(), "queue", prompt.as_str()]);
                remote.http.fetch(request.json(&UpdateQueued { priority })?.repeatable()).await
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => embedded.access.reprioritise(session, prompt, priority).await.map_err(told),
        }
    }

    /// The answer, and the seq of the event that accepted the prompt where the way in tells it.
    async fn accept(
        &self,
        session: &SessionId,
        mut prompt: Prompt,
    ) -> Result<(PromptAnswer, Option<Seq>), ClientError> {
        prompt.id.get_or_insert_with(ids::message_id);
        prompt.stream = false;
        match &self.backend {
            Backend::Remote(remote) => {
                if remote.transport == Transport::WebSocket {
                    return remote.prompt_over_socket(session, prompt).await.map(|answer| (answer, None));
                }
                let request = remote.http.request(Method::POST, &["sessions", session.as_str(), "prompt"]);
                let request = request.header(PREFER, "respond-async").json(&prompt)?.repeatable();
                remote.http.fetch(request).await.map(|answer| (answer, None))
            }
            #[cfg(feature = "embedded")]
            Backend::Embedded(embedded) => {
                embedded.accept(session, prompt).await.map(|(answer, seq)| (answer, Some(seq)))
            }
        }
    }
}
