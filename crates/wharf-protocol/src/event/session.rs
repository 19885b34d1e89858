//! How events change the view of a session.

use super::{Event, EventBody};
use crate::{Cost, Seal, Session, SessionStatus, Usage};

/// Longest title made from a prompt, in characters.
const TITLE_MAX_CHARS: usize = 80;

impl Session {
    /// The title of a session that nobody gave one, from its first prompt; `None` where the prompt says nothing.
    #[must_use]
    pub fn title_from(prompt: &str) -> Option<String> {
        title_from(prompt)
    }

    /// The view after `session.created`; `None` for any other event.
    #[must_use]
    pub fn from_created(event: &Event) -> Option<Self> {
        let EventBody::SessionCreated(created) = &event.body else { return None };
        Some(Self {
            id: event.session_id.clone(),
            created_at: event.timestamp,
            updated_at: event.timestamp,
            cwd: created.cwd.clone(),
            additional_directories: created.additional_directories.clone(),
            agent_name: created.agent_name.clone(),
            model: created.model.clone(),
            mode: created.mode,
            thinking: created.thinking.unwrap_or_default(),
            tool_location: created.tool_location.unwrap_or_default(),
            title: created.title.clone(),
            archived: false,
            status: SessionStatus::Idle,
            message_count: 0,
            token_usage: Usage::default(),
            cost: Cost::default(),
            queued_count: 0,
            running_commands: 0,
            last_seq: event.seq,
            first_seq: event.seq,
            recovery: created.recovery,
            sealed: None,
            forked_from: created.forked_from.clone(),
        })
    }

    /// The view after `event`, which follows the ones applied before.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = event.seq;
        if event.kind().is_chunk() {
            return;
        }
        // The events of a copy are older than the copy.
        self.updated_at = self.updated_at.max(event.timestamp);
        match &event.body {
            EventBody::SessionUpdated(changed) => {
                if let Some(title) = &changed.title {
                    self.title = Some(title.clone());
                }
                if let Some(model) = &changed.model {
                    self.model.clone_from(model);
                }
                if let Some(agent) = &changed.agent_name {
                    self.agent_name.clone_from(agent);
                }
                if let Some(mode) = changed.mode {
                    self.mode = mode;
                }
                if let Some(tool_location) = changed.tool_location {
                    self.tool_location = tool_location;
                }
                if let Some(directories) = &changed.additional_directories {
                    self.additional_directories.clone_from(directories);
                }
                if let Some(thinking) = changed.thinking {
                    self.thinking = thinking;
                }
                if let Some(archived) = changed.archived {
                    self.archived = archived;
                }
                if let Some(recovery) = changed.recovery {
                    self.recovery = recovery;
                }
            }
            EventBody::SessionStatusChanged(changed) => self.status = changed.status,
            EventBody::SessionSealed(sealed) => {
                self.status = SessionStatus::Sealed;
                let message = sealed.message.clone();
                self.sealed = Some(Seal { reason: sealed.reason, message, sealed_at: event.timestamp });
            }
            EventBody::SessionUnsealed(_) => {
                self.status = SessionStatus::Idle;
                self.sealed = None;
            }
            EventBody::SessionCleared(_) => {
                self.message_count = 0;
                self.first_seq = event.seq;
            }
            EventBody::PromptReceived(received) => {
                self.message_count += 1;
                self.queued_count += 1;
                if self.title.is_none() {
                    self.title = title_from(&received.content.text());
                }
            }
            EventBody::PromptStarted(_) | EventBody::PromptWithdrawn(_) => {
                self.queued_count = self.queued_count.saturating_sub(1);
            }
            EventBody::MessageComplete(_) | EventBody::MessageError(_) => self.message_count += 1,
            EventBody::CommandStarted(_) => self.running_commands += 1,
            EventBody::CommandEnded(_) => self.running_commands = self.running_commands.saturating_sub(1),
            EventBody::UsageUpdated(usage) => {
                self.token_usage = usage.session;
                self.cost = usage.cost.map_or(self.cost, |cost| cost.session);
            }
            _ => {}
        }
    }
}

/// The first line that says something, shortened.
fn title_from(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut title: String = line.chars().take(TITLE_MAX_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    Some(title)
}
