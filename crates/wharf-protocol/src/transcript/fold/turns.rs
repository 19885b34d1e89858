//! Turns: one runs at a time, and ends in exactly one way.

use super::super::clip::{line, maybe_line};
use super::super::{
    CallState, Change, EntryBody, MessageState, Notice, OpenTurn, Transcript, TurnEntry, TurnError, TurnOutcome,
};
use super::Origin;
use crate::event::{TurnCancelled, TurnCompleted, TurnFailed, TurnResumed, TurnStarted};
use crate::{Cost, EventBody, StopReason, TurnId, Usage};

impl Transcript {
    pub(super) fn turn_started(&mut self, origin: Origin<'_>, started: &TurnStarted, out: &mut Vec<Change<'_>>) {
        let Some(turn_id) = origin.turn_id else { return };
        self.turn = Some(OpenTurn {
            turn_id: turn_id.clone(),
            message_id: started.message_id.clone(),
            model: line(&started.model),
            agent_name: line(&started.agent_name),
            started_at: origin.at,
            calls: 0,
            files: Vec::new(),
            resumed: 0,
            cancelling: false,
        });
        out.push(Change::Turn);
    }

    pub(super) fn turn_cancelling(&mut self, origin: Origin<'_>, out: &mut Vec<Change<'_>>) {
        if let Some(turn) = self.turn_of(origin) {
            turn.cancelling = true;
            out.push(Change::Turn);
        }
    }

    pub(super) fn turn_resumed(&mut self, origin: Origin<'_>, resumed: &TurnResumed, out: &mut Vec<Change<'_>>) {
        if let Some(turn) = self.turn_of(origin) {
            turn.resumed += 1;
        }
        self.notice(origin, Notice::Resumed { reason: line(&resumed.reason), attempt: resumed.attempt }, out);
    }

    pub(super) fn turn_ended(&mut self, origin: Origin<'_>, body: &EventBody, out: &mut Vec<Change<'_>>) {
        let Some((end, duration_ms)) = turn_entry(body) else { return };
        let Some(turn_id) = origin.turn_id else { return };
        self.close_turn(turn_id, out);
        let mut end = TurnEntry { duration_ms, ..end };
        if let Some(turn) = self.turn.take_if(|turn| turn.turn_id == *turn_id) {
            end.message_id = Some(turn.message_id);
            end.model = Some(turn.model);
            end.agent_name = Some(turn.agent_name);
            end.duration_ms = origin.at.ms_since(turn.started_at);
            end.calls = turn.calls;
            end.files = turn.files;
            end.resumed = turn.resumed;
        }
        self.ended_turn = Some(turn_id.clone());
        self.push(origin, false, EntryBody::Turn(Box::new(end)), out);
        out.push(Change::Turn);
    }

    /// The turn that an event belongs to, if it is the one that runs.
    pub(super) fn turn_of(&mut self, origin: Origin<'_>) -> Option<&mut OpenTurn> {
        self.turn.as_mut().filter(|turn| Some(&turn.turn_id) == origin.turn_id)
    }

    /// Nothing more comes of a turn that has ended: what is open of it has no end on the log.
    fn close_turn(&mut self, turn_id: &TurnId, out: &mut Vec<Change<'_>>) {
        for (place, entry) in self.entries.iter_mut().enumerate() {
            if !entry.open || entry.turn_id.as_ref() != Some(turn_id) {
                continue;
            }
            match &mut entry.body {
                // It outlives the turn.
                EntryBody::Command(_) => continue,
                EntryBody::Call(call) => call.state = CallState::Lost,
                EntryBody::Message(message) => message.state = MessageState::Lost,
                _ => {}
            }
            entry.open = false;
            out.push(Change::Changed(place));
        }
    }
}

/// A turn's end as its event says it, and how long the turn ran by its server's clock.
fn turn_entry(body: &EventBody) -> Option<(TurnEntry, u64)> {
    let entry = |outcome: TurnOutcome, stop_reason: StopReason, usage: Usage, cost: Option<Cost>| TurnEntry {
        outcome,
        stop_reason,
        error: None,
        by: None,
        message_id: None,
        model: None,
        agent_name: None,
        usage,
        cost,
        duration_ms: 0,
        calls: 0,
        files: Vec::new(),
        resumed: 0,
    };
    Some(match body {
        EventBody::TurnCompleted(TurnCompleted { stop_reason, usage, cost, duration_ms, .. }) => {
            (entry(TurnOutcome::Completed, *stop_reason, *usage, *cost), *duration_ms)
        }
        EventBody::TurnCancelled(TurnCancelled { stop_reason, usage, cost, duration_ms, by, .. }) => {
            let entry = entry(TurnOutcome::Cancelled, *stop_reason, *usage, *cost);
            (TurnEntry { by: maybe_line(by.as_ref()), ..entry }, *duration_ms)
        }
        EventBody::TurnFailed(TurnFailed { stop_reason, error, usage, cost, duration_ms, .. }) => {
            let told = TurnError { code: error.code, error: line(&error.error), retryable: error.retryable };
            (TurnEntry { error: Some(told), ..entry(TurnOutcome::Failed, *stop_reason, *usage, *cost) }, *duration_ms)
        }
        _ => return None,
    })
}
