//! Messages and reasoning: they grow by pieces, and are whole in the end.

use super::super::clip::line;
use super::super::{
    Change, EntryBody, Excerpt, MESSAGE_MAX_BYTES, MessageEntry, MessageState, Notice, ReasoningEntry, Transcript,
};
use super::Origin;
use crate::MessageId;
use crate::event::{AgentThinking, MessageChunk, MessageComplete, MessageError};

impl Transcript {
    pub(super) fn chunk<'e>(&mut self, origin: Origin<'_>, chunk: &'e MessageChunk, out: &mut Vec<Change<'e>>) {
        let MessageChunk { message_id, offset, content, .. } = chunk;
        if content.is_empty() {
            return;
        }
        let place = self.growing_message(message_id).unwrap_or_else(|| {
            let text = Excerpt::default();
            let message =
                MessageEntry { message_id: message_id.clone(), state: MessageState::Growing, text, error: None };
            self.push(origin, true, EntryBody::Message(message), out)
        });
        if let EntryBody::Message(message) = &mut self.entries[place].body {
            grow(&mut message.text, *offset, content, place, out);
        }
    }

    pub(super) fn thinking<'e>(&mut self, origin: Origin<'_>, thinking: &'e AgentThinking, out: &mut Vec<Change<'e>>) {
        let AgentThinking { message_id, offset, content } = thinking;
        if content.is_empty() {
            return;
        }
        let place = self.growing_reasoning(message_id).unwrap_or_else(|| {
            let reasoning = ReasoningEntry { message_id: message_id.clone(), text: Excerpt::default() };
            self.push(origin, true, EntryBody::Reasoning(reasoning), out)
        });
        if let EntryBody::Reasoning(reasoning) = &mut self.entries[place].body {
            grow(&mut reasoning.text, *offset, content, place, out);
        }
    }

    pub(super) fn message_complete<'e>(
        &mut self,
        origin: Origin<'_>,
        message: &'e MessageComplete,
        out: &mut Vec<Change<'e>>,
    ) {
        let MessageComplete { message_id, content, reasoning, tool_calls, .. } = message;
        self.whole(origin, message_id, (content, reasoning), (MessageState::Complete, None), out);
        if !message.unseen.is_none() {
            self.notice(origin, Notice::Unseen(message.unseen), out);
        }
        for request in tool_calls {
            self.proposed(origin, &request.call_id, &request.tool_name, &request.arguments, out);
        }
    }

    pub(super) fn message_error<'e>(
        &mut self,
        origin: Origin<'_>,
        message: &'e MessageError,
        out: &mut Vec<Change<'e>>,
    ) {
        let MessageError { message_id, content, reasoning, error, defect, .. } = message;
        let end = match error.as_str() {
            "cancelled" => (MessageState::Cancelled, None),
            "interrupted" => (MessageState::Interrupted, None),
            error => (MessageState::Failed, Some(line(error))),
        };
        self.whole(origin, message_id, (content, reasoning), end, out);
        if let Some(defect) = *defect {
            self.notice(origin, Notice::Defect { defect, error: line(error) }, out);
        }
    }

    /// A text is whole. It stands where it became so, whether its pieces are there or not; one without a word is no entry.
    fn whole<'e>(
        &mut self,
        origin: Origin<'_>,
        message_id: &MessageId,
        (content, reasoning): (&'e str, &'e str),
        (state, error): (MessageState, Option<String>),
        out: &mut Vec<Change<'e>>,
    ) {
        let told_reasoning = self.growing_reasoning(message_id).map(|place| self.take(place));
        let told_message = self.growing_message(message_id).map(|place| self.take(place));
        if !reasoning.is_empty() {
            let text = Excerpt::new(reasoning, MESSAGE_MAX_BYTES);
            let body = EntryBody::Reasoning(ReasoningEntry { message_id: message_id.clone(), text });
            self.push_whole(origin, body, told_reasoning, reasoning, out);
        }
        if !content.is_empty() {
            let text = Excerpt::new(content, MESSAGE_MAX_BYTES);
            let body = EntryBody::Message(MessageEntry { message_id: message_id.clone(), state, text, error });
            self.push_whole(origin, body, told_message, content, out);
        }
    }

    fn push_whole<'e>(
        &mut self,
        origin: Origin<'_>,
        body: EntryBody,
        told: Option<u64>,
        whole: &'e str,
        out: &mut Vec<Change<'e>>,
    ) {
        let place = self.push(origin, false, body, out);
        if told.is_some() {
            // It was there, growing.
            out.pop();
        }
        let told = usize::try_from(told.unwrap_or(0)).unwrap_or(usize::MAX);
        let rest = whole.get(told..).unwrap_or_default();
        if !rest.is_empty() {
            out.push(Change::Text(place, rest));
        }
        out.push(Change::Changed(place));
    }

    /// Takes a growing text out, and answers how long it was.
    fn take(&mut self, place: usize) -> u64 {
        match self.entries.remove(place).map(|entry| entry.body) {
            Some(EntryBody::Message(message)) => message.text.len(),
            Some(EntryBody::Reasoning(reasoning)) => reasoning.text.len(),
            _ => 0,
        }
    }

    fn growing_message(&self, id: &MessageId) -> Option<usize> {
        self.find_open(|body| matches!(body, EntryBody::Message(message) if message.message_id == *id))
    }

    fn growing_reasoning(&self, id: &MessageId) -> Option<usize> {
        self.find_open(|body| matches!(body, EntryBody::Reasoning(reasoning) if reasoning.message_id == *id))
    }
}

fn grow<'e>(text: &mut Excerpt, offset: u64, piece: &'e str, place: usize, out: &mut Vec<Change<'e>>) {
    let new = text.extend(offset, piece, MESSAGE_MAX_BYTES);
    if !new.is_empty() {
        out.push(Change::Text(place, new));
    }
}
