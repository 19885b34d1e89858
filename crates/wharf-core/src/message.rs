//! From events to messages: what history shows and what the model is told.

use wharf_protocol::event::{MessageComplete, MessageError, PromptReceived, ToolCallComplete, ToolCallError};
use wharf_protocol::{CallId, ContentBlock, Event, EventBody, Message, MessageId, Role};

/// The message that an event completes, if it completes one: a prompt as it was received, the agent's message, a tool's
/// result. Direct calls are outside the turns and make none.
#[must_use]
pub fn message_of(event: &Event) -> Option<Message> {
    match &event.body {
        EventBody::PromptReceived(received) => Some(prompt(event, received)),
        EventBody::MessageComplete(complete) => Some(reply(event, complete)),
        EventBody::MessageError(error) => Some(cut_off(event, error)),
        EventBody::ToolCallComplete(complete) if event.turn_id.is_some() => Some(result(event, complete)),
        EventBody::ToolCallError(error) if event.turn_id.is_some() => Some(failure(event, error)),
        _ => None,
    }
}

fn prompt(event: &Event, received: &PromptReceived) -> Message {
    Message { content: received.content.to_blocks(), ..blank(event, received.message_id.clone(), Role::User) }
}

fn reply(event: &Event, complete: &MessageComplete) -> Message {
    Message {
        content: text(&complete.content),
        reasoning: complete.reasoning.clone(),
        tool_calls: complete.tool_calls.clone(),
        provider_data: complete.provider_data.clone(),
        ..blank(event, complete.message_id.clone(), Role::Assistant)
    }
}

fn cut_off(event: &Event, error: &MessageError) -> Message {
    Message {
        content: text(&error.content),
        reasoning: error.reasoning.clone(),
        is_error: true,
        ..blank(event, error.message_id.clone(), Role::Assistant)
    }
}

fn result(event: &Event, complete: &ToolCallComplete) -> Message {
    let mut content = text(&complete.result);
    content.extend_from_slice(&complete.content);
    Message { content, ..of_call(event, &complete.call_id, &complete.tool_name) }
}

/// What a model is told of a call that has no result.
#[must_use]
pub fn told(error: &ToolCallError) -> String {
    match error.output.as_str() {
        "" => error.error.clone(),
        output => format!("{}\n\nOutput so far:\n{output}", error.error),
    }
}

fn failure(event: &Event, error: &ToolCallError) -> Message {
    Message { content: text(&told(error)), is_error: true, ..of_call(event, &error.call_id, &error.tool_name) }
}

fn of_call(event: &Event, call_id: &CallId, tool_name: &str) -> Message {
    // A call has one result, so its id names that message too. Every call id is a valid message id.
    let message_id = call_id.as_str().parse().unwrap_or_else(|_| MessageId::from_bits(u128::from(event.seq.0)));
    Message {
        call_id: Some(call_id.clone()),
        tool_name: Some(tool_name.to_owned()),
        ..blank(event, message_id, Role::Tool)
    }
}

fn text(text: &str) -> Vec<ContentBlock> {
    if text.is_empty() { Vec::new() } else { vec![ContentBlock::text(text)] }
}

fn blank(event: &Event, message_id: MessageId, role: Role) -> Message {
    Message {
        message_id,
        role,
        content: Vec::new(),
        reasoning: String::new(),
        tool_calls: Vec::new(),
        call_id: None,
        tool_name: None,
        is_error: false,
        provider_data: None,
        turn_id: event.turn_id.clone(),
        seq: event.seq,
        created_at: event.timestamp,
    }
}
