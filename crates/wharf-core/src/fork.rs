//! A copy of a session's log as a session of its own: what is taken over, and how what was unfinished ends there.
//!
//! The copy gets what was said. It gets nothing that acts: no background command, no remembered answer to a permission, no
//! change of settings; and nothing that could go on by itself: what is open where the copy ends gets its end there.

use wharf_protocol::event::{
    CallErrorReason, ContextCompacted, PermissionResolved, PromptStarted, SessionCreated, ToolCallComplete,
};
use wharf_protocol::{CallId, Event, EventBody, MessageId, Seq, Session, SessionId, SessionStatus, Timestamp};

use crate::config::CoreConfig;
use crate::core::Core;
use crate::outcome::Answer;
use crate::state::{CallStage, Ending};

/// What the model is told of a call that had begun where the copy ends.
const CUT_OFF: &str = "the session was copied while this call ran. It may have run in part or in whole; it was not run \
                       again here. Look at what it has done before you repeat it.";
/// What is said of everything else that was open there.
const NOT_TAKEN_OVER: &str = "not taken over into the copy of the session";

/// A copy in the making: takes the events of another log in their order, gives those of the new one.
#[derive(Debug)]
pub struct Fork {
    core: Core,
    /// A prompt that was just taken from the queue. It has started only once its turn has: a copy that ends in between has it
    /// waiting still.
    starting: Option<Event>,
    /// The results of calls: their seqs there and here, both growing.
    results: Vec<(Seq, Seq)>,
    last: Seq,
    begun_at: Timestamp,
}

/// Why an event cannot follow those before it in any log of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    #[error("seq {seq} does not follow {last}")]
    Order { seq: Seq, last: Seq },
    #[error("it clears a log that has begun")]
    Cleared,
    #[error("another turn is running")]
    TurnInTurn,
    #[error("it is not of the turn that is running")]
    OtherTurn,
    #[error("calls of the turn are still open")]
    CallsOpen,
    #[error("call {0} is known already")]
    KnownCall(CallId),
    #[error("no call {0} is open")]
    UnknownCall(CallId),
    #[error("its permission is not open")]
    UnknownPermission,
    #[error("its prompt is known already")]
    KnownPrompt,
    #[error("its prompt is not waiting")]
    UnknownPrompt,
}

impl Fork {
    /// A copy with nothing in it yet, and its own first event.
    #[must_use]
    pub fn begin(
        session_id: SessionId,
        created: SessionCreated,
        config: CoreConfig,
        entropy: u128,
        now: Timestamp,
    ) -> (Self, Event) {
        let (mut core, event) = Core::create(session_id, created, config, entropy, now);
        core.is_taken_up = false;
        (Self { core, starting: None, results: Vec::new(), last: Seq::ZERO, begun_at: now }, event)
    }

    /// Whether `event` can come next. A log of ours needs no such question; one from outside does.
    pub fn check(&self, event: &Event) -> Result<(), Misplaced> {
        if event.seq <= self.last {
            return Err(Misplaced::Order { seq: event.seq, last: self.last });
        }
        let core = &self.core;
        let is_of_turn = event.turn_id.is_some() && core.turn_id() == event.turn_id;
        let of_turn = || if is_of_turn { Ok(()) } else { Err(Misplaced::OtherTurn) };
        let quiet = || if core.has_turn_calls() { Err(Misplaced::CallsOpen) } else { Ok(()) };
        // A call that a client asked for itself is first heard of in any of its events.
        let open = |call_id: &CallId| match core.call(call_id) {
            Some(call) if call.proposal.turn_id == event.turn_id => Ok(()),
            None if event.turn_id.is_none() => Ok(()),
            _ => Err(Misplaced::UnknownCall(call_id.clone())),
        };
        let starting = self.starting.as_ref().map(|event| &event.body);
        let waits = |id: &MessageId| match starting {
            Some(EventBody::PromptStarted(started)) if started.message_id == *id => Err(Misplaced::UnknownPrompt),
            _ if core.prompts.is_waiting(id) => Ok(()),
            _ => Err(Misplaced::UnknownPrompt),
        };
        match &event.body {
            EventBody::SessionCleared(_) if self.last > Seq::ZERO => Err(Misplaced::Cleared),
            EventBody::PromptReceived(received) if core.prompts.known(&received.message_id).is_some() => {
                Err(Misplaced::KnownPrompt)
            }
            EventBody::PromptReceived(_) if event.turn_id.is_none() => Err(Misplaced::OtherTurn),
            EventBody::PromptQueued(queued) => waits(&queued.message_id),
            EventBody::PromptStarted(started) => waits(&started.message_id),
            EventBody::PromptWithdrawn(withdrawn) => waits(&withdrawn.message_id),
            EventBody::TurnStarted(_) if core.turn.is_some() => Err(Misplaced::TurnInTurn),
            EventBody::TurnStarted(_) if event.turn_id.is_none() => Err(Misplaced::OtherTurn),
            EventBody::TurnCompleted(_) | EventBody::TurnCancelled(_) | EventBody::TurnFailed(_) => {
                of_turn().and_then(|()| quiet())
            }
            EventBody::MessageComplete(complete) => {
                of_turn().and_then(|()| quiet())?;
                let mut ids: Vec<&CallId> = complete.tool_calls.iter().map(|call| &call.call_id).collect();
                ids.sort_unstable();
                let twice = ids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
                let known = twice.or_else(|| ids.into_iter().find(|id| core.call(id).is_some()));
                known.map_or(Ok(()), |id| Err(Misplaced::KnownCall(id.clone())))
            }
            EventBody::TurnCancelRequested(_)
            | EventBody::TurnResumed(_)
            | EventBody::MessageStart(_)
            | EventBody::MessageChunk(_)
            | EventBody::MessageError(_)
            | EventBody::AgentThinking(_) => of_turn(),
            EventBody::ContextCompacting(_) if core.turn_id() != event.turn_id => Err(Misplaced::OtherTurn),
            EventBody::ContextCompacting(_) => quiet(),
            EventBody::ToolCallStart(start) => open(&start.call_id),
            EventBody::ToolCallResumed(resumed) => open(&resumed.call_id),
            EventBody::ToolCallProgress(progress) => open(&progress.call_id),
            EventBody::ToolCallComplete(complete) => open(&complete.call_id),
            EventBody::ToolCallError(error) => open(&error.call_id),
            EventBody::PermissionRequested(requested) => open(&requested.call_id),
            EventBody::PermissionResolved(resolved) => {
                let is_it = |open: &&wharf_protocol::Permission| open.permission_id == resolved.permission_id;
                match core.permissions.open.iter().find(is_it) {
                    Some(open) if open.call_id == resolved.call_id && open.turn_id == event.turn_id => Ok(()),
                    _ => Err(Misplaced::UnknownPermission),
                }
            }
            _ => Ok(()),
        }
    }

    /// Takes the next event of the other log: the events of the copy that follow from it, often that one, at times none.
    pub fn take(&mut self, event: Event) -> Vec<Event> {
        self.last = self.last.max(event.seq);
        // What came from another machine may be from the future.
        let event = Event { timestamp: event.timestamp.min(self.begun_at), ..event };
        self.core.now = event.timestamp;
        let mut out = Vec::new();
        if let Some(started) = self.starting.take() {
            out.push(self.append(started));
        }
        if event.kind().is_chunk() {
            // The whole text stands in a later event: one of these, or that which ends what was open.
            self.core.fold(&event);
            return out;
        }
        let Some(body) = self.taken_over(event.body) else { return out };
        let event = Event { body, ..event };
        if matches!(event.body, EventBody::PromptStarted(PromptStarted { steered: false, .. })) {
            self.starting = Some(event);
        } else {
            out.push(self.append(event));
        }
        out
    }

    /// The view after all that was given so far.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.core.session()
    }

    /// Ends what is open: the last events of the copy.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Event> {
        self.starting = None;
        let core = &mut self.core;
        core.withdraw_all(NOT_TAKEN_OVER, None);
        core.stop_compaction(NOT_TAKEN_OVER);
        for call_id in core.open_calls(true).into_iter().chain(core.open_calls(false)) {
            if core.call(&call_id).is_some_and(|call| matches!(call.stage, CallStage::Begun { .. })) {
                core.close_call(&call_id, CallErrorReason::Interrupted, CUT_OFF);
            }
        }
        core.stop_calls(true, CallErrorReason::Interrupted, NOT_TAKEN_OVER);
        core.begin_ending(Ending::Copied);
        core.finish_ending();
        if core.session.status.is_busy() {
            // The copy ends between a turn's end and the word of it.
            core.set_status(SessionStatus::Idle);
        }
        core.outcome(Ok(Answer::Done)).events
    }

    fn append(&mut self, event: Event) -> Event {
        let there = event.seq;
        let session = &mut self.core.session;
        let event = Event { seq: session.last_seq.next(), session_id: session.id.clone(), ..event };
        session.apply(&event);
        self.core.fold(&event);
        if matches!(event.body, EventBody::ToolCallComplete(_) | EventBody::ToolCallError(_)) {
            self.results.push((there, event.seq));
        }
        event
    }

    fn taken_over(&self, body: EventBody) -> Option<EventBody> {
        Some(match body {
            // The copy has settings, a life and commands of its own.
            EventBody::SessionCreated(_)
            | EventBody::SessionUpdated(_)
            | EventBody::SessionDeleted(_)
            | EventBody::SessionCleared(_)
            | EventBody::SessionRecovered(_)
            | EventBody::SessionSealed(_)
            | EventBody::SessionUnsealed(_)
            | EventBody::CommandStarted(_)
            | EventBody::CommandEnded(_) => return None,
            EventBody::SessionStatusChanged(changed) if changed.status == SessionStatus::Sealed => return None,
            // An answer that holds for the rest of a session holds for that session.
            EventBody::PermissionResolved(resolved) => PermissionResolved { remembered: false, ..resolved }.into(),
            // The file belongs to the other session and goes with it.
            EventBody::ToolCallComplete(complete) => ToolCallComplete { output_file: None, ..complete }.into(),
            EventBody::ContextCompacted(compacted) => {
                let trimmed = self.results.partition_point(|(there, _)| *there <= compacted.trimmed_through);
                let trimmed_through = trimmed.checked_sub(1).map_or(Seq::ZERO, |at| self.results[at].1);
                ContextCompacted { trimmed_through, ..compacted }.into()
            }
            other => other,
        })
    }
}
