//! What the model would be sent, for people who wonder where the window goes.

use wharf_protocol::Message;
use wharf_protocol::content::text_of;
use wharf_protocol::context::{Context, MessageCost, Tokens, ToolCost, WindowSource, is_note};

use crate::core::Core;
use crate::shown::LEFT_OUT;
use crate::size::{bytes_of, schema_tokens, tokens_of};

/// Longest preview of a message, in characters.
const PREVIEW_CHARS: usize = 120;

impl Core {
    /// The next request, as it would be if it were sent now; `full`: with the messages themselves.
    #[must_use]
    pub fn context(&self, full: bool) -> Context {
        let window = self.window();
        let window_from = match (window, self.context_limit) {
            (None, _) => WindowSource::Unknown,
            (Some(window), Some(known)) if window == known => WindowSource::Known,
            (Some(_), _) => WindowSource::Refusal,
        };
        let messages = self.shown.for_model();
        Context {
            session_id: self.session.id.clone(),
            model: self.session.model.clone(),
            window,
            window_from,
            reserve: window.map(|window| window - self.usable(window)),
            compacts_above: window.map(|window| self.compacts_above(window)),
            expected: self.expected(),
            last_counted: self.measure.counted.map(|counted| counted.tokens),
            instructions: Tokens::estimated(self.measure.scaled(self.instructions_tokens)),
            tools: self
                .config
                .tools
                .iter()
                .map(|tool| ToolCost {
                    name: tool.name.clone(),
                    cost: Tokens::estimated(self.measure.scaled(schema_tokens(std::slice::from_ref(tool)))),
                })
                .collect(),
            messages: messages.iter().map(|message| self.cost_of(message, full)).collect(),
            notes: self.note_costs(),
            left_out: self.shown.left_out as u64,
            compacting: self.compaction.is_some(),
        }
    }

    fn cost_of(&self, message: &Message, full: bool) -> MessageCost {
        let said: Vec<_> = message.content.iter().filter(|block| !is_note(block)).cloned().collect();
        let mut said = text_of(&said);
        let (note_tokens, note_bytes) = self.shown.notes_in(&message.message_id);
        if said.is_empty() {
            let names: Vec<_> = message.tool_calls.iter().map(|call| call.tool_name.as_str()).collect();
            said = names.join(", ");
        }
        MessageCost {
            message_id: message.message_id.clone(),
            role: message.role,
            seq: message.seq,
            cost: Tokens::estimated(self.measure.scaled(tokens_of(message).saturating_sub(note_tokens))),
            bytes: bytes_of(message).saturating_sub(note_bytes),
            is_summary: message.message_id.as_str().ends_with(LEFT_OUT),
            preview: said.chars().take(PREVIEW_CHARS).collect(),
            message: full.then(|| message.clone()),
        }
    }
}
