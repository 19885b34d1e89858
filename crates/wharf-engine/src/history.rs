//! Histories read from the log: the conversation, and the timeline without content.

use wharf_protocol::event::{CallErrorReason, EventBody, EventKind};
use wharf_protocol::rest::TimelineEntry;
use wharf_protocol::{Event, Message};

/// Events that complete a message.
pub(crate) const MESSAGE_KINDS: [EventKind; 5] = [
    EventKind::PromptReceived,
    EventKind::MessageComplete,
    EventKind::MessageError,
    EventKind::ToolCallComplete,
    EventKind::ToolCallError,
];

/// Everything that is not a piece of a text.
pub(crate) fn timeline_kinds() -> Vec<EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| !kind.is_chunk()).collect()
}

/// The messages that `events` complete. Calls that a client asked for itself are not part of the conversation.
pub(crate) fn messages(events: impl IntoIterator<Item = Event>) -> Vec<Message> {
    let of_conversation = |event: &Event| {
        let is_call = matches!(event.kind(), EventKind::ToolCallComplete | EventKind::ToolCallError);
        !is_call || event.turn_id.is_some()
    };
    events.into_iter().filter(of_conversation).filter_map(|event| wharf_core::message_of(&event)).collect()
}

/// What an event says without its content.
pub(crate) fn timeline_entry(event: &Event) -> TimelineEntry {
    let mut entry = TimelineEntry {
        seq: event.seq,
        r#type: event.kind(),
        timestamp: event.timestamp,
        turn_id: event.turn_id.clone(),
        tool_name: None,
        call_id: None,
        duration_ms: None,
        usage: None,
        outcome: None,
    };
    match &event.body {
        EventBody::SessionStatusChanged(changed) => entry.outcome = Some(changed.status.as_str().to_owned()),
        EventBody::TurnCompleted(done) => {
            entry.duration_ms = Some(done.duration_ms);
            entry.usage = Some(done.usage);
            entry.outcome = word(&done.stop_reason);
        }
        EventBody::TurnCancelled(done) => {
            entry.duration_ms = Some(done.duration_ms);
            entry.usage = Some(done.usage);
            entry.outcome = word(&done.stop_reason);
        }
        EventBody::TurnFailed(failed) => {
            entry.duration_ms = Some(failed.duration_ms);
            entry.usage = Some(failed.usage);
            entry.outcome = Some(failed.error.code.as_str().to_owned());
        }
        EventBody::MessageComplete(message) => {
            entry.usage = message.usage;
            entry.outcome = word(&message.stop_reason);
        }
        EventBody::ToolCallStart(start) => {
            entry.tool_name = Some(start.tool_name.clone());
            entry.call_id = Some(start.call_id.clone());
        }
        EventBody::ToolCallComplete(done) => {
            entry.tool_name = Some(done.tool_name.clone());
            entry.call_id = Some(done.call_id.clone());
            entry.duration_ms = Some(done.duration_ms);
            entry.outcome = Some("completed".to_owned());
        }
        EventBody::ToolCallError(failed) => {
            entry.tool_name = Some(failed.tool_name.clone());
            entry.call_id = Some(failed.call_id.clone());
            entry.duration_ms = Some(failed.duration_ms);
            entry.outcome = Some(reason(failed.reason).to_owned());
        }
        EventBody::PermissionRequested(asked) => {
            entry.tool_name = Some(asked.tool_name.clone());
            entry.call_id = Some(asked.call_id.clone());
        }
        EventBody::PermissionResolved(answered) => {
            entry.call_id = Some(answered.call_id.clone());
            entry.outcome = word(&answered.option);
        }
        EventBody::CommandStarted(started) => entry.call_id = Some(started.call_id.clone()),
        EventBody::CommandEnded(ended) => {
            entry.duration_ms = Some(ended.duration_ms);
            entry.outcome = Some(ended.status.as_str().to_owned());
        }
        EventBody::UsageUpdated(usage) => entry.usage = Some(usage.turn),
        EventBody::ModelRetrying(retry) => entry.duration_ms = Some(retry.delay_ms),
        _ => {}
    }
    entry
}

fn reason(reason: CallErrorReason) -> &'static str {
    match reason {
        CallErrorReason::Failed => "failed",
        CallErrorReason::Denied => "denied",
        CallErrorReason::Cancelled => "cancelled",
        CallErrorReason::TimedOut => "timed_out",
        CallErrorReason::Interrupted => "interrupted",
    }
}

/// The wire's word for a value of an enum.
fn word(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}
