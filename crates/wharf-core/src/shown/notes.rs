//! The parts of messages that tell of the workspace: where they are, and what the model knows by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharf_protocol::context::is_note;
use wharf_protocol::event::{ContextNoted, FileChange, NotedFile};
use wharf_protocol::{ContentBlock, MessageId, Role};

use super::ShownMessages;
use crate::size::text_tokens;

/// A part of a message that tells of the workspace, as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct ShownNote {
    pub(crate) message_id: MessageId,
    pub(crate) length: usize,
    pub(crate) tokens: u64,
    pub(crate) facts: Option<String>,
    pub(crate) files: Vec<NotedFile>,
}

impl ShownMessages {
    /// Makes a note a part of the message that it is about.
    pub(crate) fn note(&mut self, noted: &ContextNoted) {
        let Some(at) = self.position(&noted.message_id) else { return };
        let block = ContentBlock::text(&noted.text);
        let message = Arc::make_mut(&mut self.messages[at]);
        if message.role == Role::User {
            // The user's own words come last, where they count most.
            message.content.insert(0, block);
        } else {
            message.content.push(block);
        }
        self.recount(at);
        let message_id = noted.message_id.clone();
        let (length, tokens) = (noted.text.len(), text_tokens(&noted.text));
        let (facts, files) = (noted.facts.clone(), noted.files.clone());
        self.notes.push(ShownNote { message_id, length, tokens, facts, files });
    }

    /// After messages were left out or shortened: forgets the notes that went with them.
    pub(crate) fn forget_lost_notes(&mut self) {
        let messages = &self.messages;
        self.notes.retain(|note| {
            messages.iter().find(|message| message.message_id == note.message_id).is_some_and(|message| {
                message.content.iter().any(|block| is_note(block) && block.as_text().map(str::len) == Some(note.length))
            })
        });
    }

    pub(crate) fn told_facts(&self) -> Option<&String> {
        self.notes.iter().rev().find_map(|note| note.facts.as_ref())
    }

    /// The files that the model is shown, as they were told last.
    pub(crate) fn told_files(&self) -> BTreeMap<&str, &NotedFile> {
        let mut told = BTreeMap::new();
        for file in self.notes.iter().flat_map(|note| &note.files) {
            match file.change {
                FileChange::New | FileChange::Changed => told.insert(file.path.as_str(), file),
                FileChange::Gone => told.remove(file.path.as_str()),
            };
        }
        told
    }

    /// What the notes in a message take, in tokens as they are estimated, and in bytes.
    pub(crate) fn notes_in(&self, message: &MessageId) -> (u64, u64) {
        let notes = self.notes.iter().filter(|note| note.message_id == *message);
        notes.fold((0, 0), |(tokens, bytes), note| (tokens + note.tokens, bytes + note.length as u64))
    }
}
