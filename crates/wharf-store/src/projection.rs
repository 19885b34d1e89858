//! What events say about turns and about what can be searched for. Both stores use this, so that they cannot disagree.
//!
//! Every change may be applied twice without another result: a rebuild meets rows that are older than the log's first event.

use std::borrow::Cow;

use wharf_protocol::event::{PromptReceived, TurnStarted};
use wharf_protocol::{ApiError, Cost, Event, EventBody, MessageId, Seq, StopReason, Turn, TurnId, TurnStatus, Usage};

use crate::page;

/// How much of a prompt can be searched for, in bytes.
const SEARCHED_BYTES: usize = 64 << 10;

/// What an event changes in the rows of turns and prompts.
pub(crate) enum TurnChange<'a> {
    /// A prompt was accepted. Without a turn it joins one later, or never.
    Accepted {
        prompt: &'a PromptReceived,
        turn: Option<Turn>,
    },
    /// The prompt belongs to this turn, whatever turn it was accepted for.
    Joined {
        prompt: &'a MessageId,
        turn: &'a TurnId,
    },
    /// `turn` is the row where none is there yet.
    Started {
        turn: Turn,
    },
    Ended {
        turn: &'a TurnId,
    },
    Withdrawn {
        prompt: &'a MessageId,
    },
}

pub(crate) fn turn_change(event: &Event) -> Option<TurnChange<'_>> {
    let turn_id = event.turn_id.as_ref();
    match &event.body {
        EventBody::PromptReceived(prompt) => {
            let turn = turn_id.map(|turn_id| new_turn(event, turn_id, &prompt.message_id));
            Some(TurnChange::Accepted { prompt, turn })
        }
        EventBody::PromptStarted(started) => Some(TurnChange::Joined { prompt: &started.message_id, turn: turn_id? }),
        EventBody::PromptWithdrawn(withdrawn) => Some(TurnChange::Withdrawn { prompt: &withdrawn.message_id }),
        EventBody::TurnStarted(TurnStarted { message_id, .. }) => {
            Some(TurnChange::Started { turn: new_turn(event, turn_id?, message_id) })
        }
        EventBody::TurnCompleted(_) | EventBody::TurnCancelled(_) | EventBody::TurnFailed(_) => {
            Some(TurnChange::Ended { turn: turn_id? })
        }
        _ => None,
    }
}

fn new_turn(event: &Event, turn_id: &TurnId, message_id: &MessageId) -> Turn {
    Turn {
        session_id: event.session_id.clone(),
        turn_id: turn_id.clone(),
        message_id: message_id.clone(),
        status: TurnStatus::Queued,
        stop_reason: None,
        response: None,
        usage: None,
        cost: None,
        error: None,
        created_at: event.timestamp,
        started_at: None,
        ended_at: None,
        first_seq: event.seq,
        last_seq: None,
    }
}

/// The turn runs from this event on. `false`: nothing changed.
pub(crate) fn start(turn: &mut Turn, event: &Event) -> bool {
    if turn.status != TurnStatus::Queued {
        return false;
    }
    turn.status = TurnStatus::Running;
    turn.started_at = Some(event.timestamp);
    true
}

/// The turn ends with this event. `false`: it had ended before; an end is never overwritten.
pub(crate) fn end(turn: &mut Turn, event: &Event) -> bool {
    if turn.status.is_final() {
        return false;
    }
    let end: TurnEnd<'_> = match &event.body {
        EventBody::TurnCompleted(e) => {
            TurnEnd::new(TurnStatus::Completed, e.stop_reason, &e.response, (e.usage, e.cost), None)
        }
        EventBody::TurnCancelled(e) => {
            TurnEnd::new(TurnStatus::Cancelled, e.stop_reason, &e.response, (e.usage, e.cost), None)
        }
        EventBody::TurnFailed(e) => {
            TurnEnd::new(TurnStatus::Failed, e.stop_reason, &e.response, (e.usage, e.cost), Some(&e.error))
        }
        _ => return false,
    };
    turn.status = end.status;
    turn.stop_reason = Some(end.stop_reason);
    turn.response = Some(end.response.to_owned());
    turn.usage = Some(end.usage);
    turn.cost = end.cost;
    turn.error = end.error.cloned();
    close(turn, event);
    true
}

/// The prompt was taken out of the queue. `false`: its turn runs or ran.
pub(crate) fn withdraw(turn: &mut Turn, event: &Event) -> bool {
    if turn.status != TurnStatus::Queued {
        return false;
    }
    turn.status = TurnStatus::Withdrawn;
    close(turn, event);
    true
}

fn close(turn: &mut Turn, event: &Event) {
    turn.ended_at = Some(event.timestamp);
    turn.last_seq = Some(event.seq);
}

struct TurnEnd<'a> {
    status: TurnStatus,
    stop_reason: StopReason,
    response: &'a str,
    usage: Usage,
    cost: Option<Cost>,
    error: Option<&'a ApiError>,
}

impl<'a> TurnEnd<'a> {
    fn new(
        status: TurnStatus,
        stop_reason: StopReason,
        response: &'a str,
        (usage, cost): (Usage, Option<Cost>),
        error: Option<&'a ApiError>,
    ) -> Self {
        Self { status, stop_reason, response, usage, cost, error }
    }
}

/// A turn that ended before the log's first event was cleared with it: that it was, and how it ended, stays (a repeated prompt
/// must not run again), what was said does not.
pub(crate) fn hide_cleared(turn: &mut Turn, first_seq: Seq) {
    if turn.last_seq.is_some_and(|last| last < first_seq) {
        turn.response = None;
    }
}

/// The part of a prompt or title that can be searched for, cut into the tokens of the index.
pub(crate) fn searched(text: &str) -> Cow<'_, str> {
    page::apart(&text[..text.floor_char_boundary(SEARCHED_BYTES)])
}
