//! What a client is shown: events become updates, questions and answers, in the log's order.

use std::collections::HashSet;

use agent_client_protocol_schema::v1 as acp;
use axum::extract::ws::Utf8Bytes;
use wharf_protocol::{EncodedEvent, MessageId, PermissionId, Scope, Seq};

use super::{AttachEnd, Attached, Pending};
use crate::acp::outbox::{self, Place};
use crate::acp::render::{Effect, Question, Viewer};
use crate::acp::rpc::{self, RpcError};

/// What a session's task sends as one piece.
type Frames = Vec<Utf8Bytes>;

/// What is to be sent, in order.
enum Step {
    Update(Box<acp::SessionUpdate>),
    Ask(Box<Question>),
    Settled(PermissionId),
    Answer(Utf8Bytes),
}

impl Attached {
    pub(super) async fn show(&mut self, events: &[EncodedEvent], is_replay: bool) -> Result<(), AttachEnd> {
        self.context.app.metrics.count_streamed(events.len(), 0);
        let mut effects = Vec::new();
        for encoded in events {
            let event = match encoded.decode() {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(%error, seq = encoded.seq.0, "an event cannot be read back");
                    continue;
                }
            };
            let Some(view) = &mut self.view else { return Ok(()) };
            let own = &mut self.own;
            let viewer = |prompt: &MessageId| match (is_replay, own.remove(prompt)) {
                (true, _) => Viewer::Replay,
                (false, true) => Viewer::Sender,
                (false, false) => Viewer::Other,
            };
            let rendered = view.renderer.render(&event, viewer, is_replay);
            effects.extend(rendered.into_iter().map(|effect| (Some(event.seq), effect)));
        }
        let frames = self.frames(effects, is_replay).await;
        Ok(self.context.out.send(frames).await?)
    }

    /// The frames of what was rendered; `None` stands for what is no event.
    pub(super) async fn frames(&mut self, effects: Vec<(Option<Seq>, Effect)>, is_replay: bool) -> Frames {
        let effects = self.settle(effects).await;
        let mut frames = Vec::with_capacity(effects.len());
        for at in 0..effects.len() {
            let (seq, step) = &effects[at];
            match step {
                Step::Update(update) => {
                    let same = |step: &&(Option<Seq>, Step)| step.0 == *seq && matches!(step.1, Step::Update(_));
                    let place = seq.filter(|_| self.client.is_bridge).map(|seq| {
                        let part =
                            effects[..at].iter().rev().take_while(|step| step.0 == Some(seq)).filter(same).count();
                        let rest = effects[at..].iter().take_while(|step| step.0 == Some(seq)).filter(same).count();
                        Place { seq, part, parts: part + rest }
                    });
                    frames.push(outbox::update(&self.session_id, update.as_ref().clone(), place));
                }
                Step::Ask(question) if !is_replay => frames.extend(self.ask(question).await),
                Step::Ask(_) => {}
                Step::Settled(permission_id) => {
                    frames.extend(self.context.asking.settled(permission_id));
                }
                Step::Answer(frame) => frames.push(frame.clone()),
            }
        }
        frames
    }

    /// Works out what needs the session's state, and leaves out output that later output of the same call replaces.
    async fn settle(&mut self, effects: Vec<(Option<Seq>, Effect)>) -> Vec<(Option<Seq>, Step)> {
        let mut steps: Vec<(Option<Seq>, Step)> = Vec::with_capacity(effects.len());
        let mut later = HashSet::new();
        let mut stale = HashSet::new();
        for (at, (_, effect)) in effects.iter().enumerate().rev() {
            if let Effect::Progress(call_id, _) = effect
                && !later.insert(call_id.clone())
            {
                stale.insert(at);
            }
        }
        for (at, (seq, effect)) in effects.into_iter().enumerate() {
            match effect {
                Effect::Progress(..) if stale.contains(&at) => {}
                Effect::Update(update) | Effect::Progress(_, update) => steps.push((seq, Step::Update(update))),
                Effect::Settings { mode_changed } => {
                    let Some(view) = &self.view else { continue };
                    let session = view.renderer.session.clone();
                    if mode_changed {
                        let mode = acp::CurrentModeUpdate::new(session.mode.as_str());
                        steps.push((seq, Step::Update(Box::new(acp::SessionUpdate::CurrentModeUpdate(mode)))));
                    }
                    let options = self.config_options(&session).await;
                    let options = acp::ConfigOptionUpdate::new(options);
                    steps.push((seq, Step::Update(Box::new(acp::SessionUpdate::ConfigOptionUpdate(options)))));
                }
                Effect::Ask(question) => steps.push((seq, Step::Ask(question))),
                Effect::Settled(permission_id) => steps.push((seq, Step::Settled(permission_id))),
                Effect::TurnEnded(turn_id, end) => {
                    let outcome = end.map(acp::PromptResponse::new).map_err(RpcError::from);
                    self.take_pending(|pending| pending.turn_id == turn_id, &outcome, seq, &mut steps);
                }
                Effect::Withdrawn(message_id) => {
                    self.own.remove(&message_id);
                    let outcome = Ok(acp::PromptResponse::new(acp::StopReason::Cancelled));
                    self.take_pending(|pending| pending.message_id == message_id, &outcome, seq, &mut steps);
                }
            }
        }
        steps
    }

    fn take_pending(
        &mut self,
        is_meant: impl Fn(&Pending) -> bool,
        outcome: &Result<acp::PromptResponse, RpcError>,
        seq: Option<Seq>,
        steps: &mut Vec<(Option<Seq>, Step)>,
    ) {
        self.pending.retain(|pending| {
            if !is_meant(pending) {
                return true;
            }
            let frame = match outcome {
                Ok(response) => rpc::response(&pending.id, response),
                Err(error) => rpc::error(&pending.id, error),
            };
            steps.push((seq, Step::Answer(frame)));
            false
        });
    }

    /// The question as a request to this client, unless it may not answer or has the question already.
    async fn ask(&self, question: &Question) -> Option<Utf8Bytes> {
        let (context, session_id) = (&self.context, &self.session_id);
        context.app.gate.allow(&context.principal, Scope::PermissionsAnswer, Some(session_id)).await.ok()?;
        let Question { permission_id, tool_call, options } = question;
        let of_session = acp::SessionId::new(session_id.as_str());
        let request = acp::RequestPermissionRequest::new(of_session, tool_call.clone(), options.clone());
        context.asking.permission(permission_id, request, session_id, &self.commands)
    }
}
