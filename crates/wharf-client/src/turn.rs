//! One turn's events, from the prompt to its end.

use wharf_protocol::event::AnyEvent;
use wharf_protocol::frame::Frame;
use wharf_protocol::rest::PromptAnswer;
use wharf_protocol::{Event, EventBody, EventKind};

use crate::{ClientError, ConnectionState, EventStream};

/// The events of one prompt's turn. Ends with the turn; leaving early does not stop it.
pub struct TurnStream {
    accepted: PromptAnswer,
    events: EventStream,
    ended: bool,
}

impl TurnStream {
    pub(crate) fn new(accepted: PromptAnswer, events: EventStream) -> Self {
        Self { accepted, events, ended: false }
    }

    /// The ids of the prompt and of its turn.
    #[must_use]
    pub fn accepted(&self) -> &PromptAnswer {
        &self.accepted
    }

    /// How the connection is doing, as it changes.
    #[must_use]
    pub fn state(&self) -> tokio::sync::watch::Receiver<ConnectionState> {
        self.events.state()
    }

    /// The next event of the turn; `None` after its end. May be dropped at any point without losing an event. What a newer server says
    /// and this version does not know is left out: [`TurnStream::next_any`] has it.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            match self.next_any().await? {
                Ok(event) => {
                    if let Some(event) = event.into_known() {
                        return Some(Ok(event));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next event of the turn, whether this version knows it or not.
    pub async fn next_any(&mut self) -> Option<Result<AnyEvent, ClientError>> {
        while !self.ended {
            let event = match self.events.next_located().await? {
                Ok(located) => located.event,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            let is_deleted = event.kind() == Some(EventKind::SessionDeleted);
            if !is_deleted && event.turn_id() != Some(&self.accepted.turn_id) {
                continue;
            }
            self.ended = is_deleted || event.as_known().is_some_and(|event| self.is_end(&event.body));
            return Some(Ok(event));
        }
        None
    }

    /// The same as frames, as `/prompt/stream` shows a turn.
    pub async fn next_frame(&mut self) -> Option<Result<Frame, ClientError>> {
        loop {
            match self.next().await? {
                Ok(event) => {
                    if let Some(frame) = Frame::render(&event, &self.accepted.turn_id) {
                        return Some(Ok(frame));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn is_end(&self, body: &EventBody) -> bool {
        match body {
            EventBody::PromptWithdrawn(withdrawn) => withdrawn.message_id == self.accepted.message_id,
            other => other.kind().ends_turn(),
        }
    }
}
