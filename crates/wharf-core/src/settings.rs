//! Changes of the session itself: its settings, what was said, its existence.

use wharf_protocol::event::{CallErrorReason, SessionCleared, SessionDeleted, SessionUpdated};
use wharf_protocol::rest::UpdateSession;

use crate::core::Core;
use crate::outcome::{Answer, Effect, Rejected};

impl Core {
    /// Changes what differs. A new model, mode or thinking level counts from the next model call or decision on, a new agent from
    /// the next turn on.
    pub(crate) fn update(&mut self, change: UpdateSession, by: Option<String>) -> Result<Answer, Rejected> {
        let UpdateSession {
            title,
            agent_name,
            model,
            mode,
            thinking,
            tool_location,
            additional_directories,
            archived,
            recovery,
        } = change;
        let session = &self.session;
        let changed = SessionUpdated {
            title: title.filter(|title| session.title.as_ref() != Some(title)),
            model: model.filter(|model| session.model != *model),
            agent_name: agent_name.filter(|agent| session.agent_name != *agent),
            mode: mode.filter(|mode| session.mode != *mode),
            thinking: thinking.filter(|thinking| session.thinking != *thinking),
            tool_location: tool_location.filter(|location| session.tool_location != *location),
            additional_directories: additional_directories.filter(|all| session.additional_directories != *all),
            archived: archived.filter(|archived| session.archived != *archived),
            recovery: recovery.filter(|recovery| session.recovery != *recovery),
            reason: None,
            by: None,
        };
        if changed != SessionUpdated::default() {
            self.emit(None, SessionUpdated { by, ..changed });
        }
        Ok(Answer::Done)
    }

    /// Forgets what was said; remembered permissions and commands stay.
    pub(crate) fn clear(&mut self, by: Option<String>) -> Result<Answer, Rejected> {
        if self.is_at_work() || !self.prompts.is_empty() {
            return Err(Rejected::Busy);
        }
        let (grants, commands) = (self.permissions.grants.clone(), self.commands.all());
        let through = self.session.last_seq;
        self.emit(None, SessionCleared { by, grants, commands });
        self.effects.push(Effect::Truncate { through });
        Ok(Answer::Done)
    }

    /// Ends what runs; the session itself ends when that has ([`Core::finish_deleting`]).
    pub(crate) fn delete(&mut self, by: Option<String>) -> Result<Answer, Rejected> {
        if self.deleting.is_some() {
            return Ok(Answer::Done);
        }
        self.deleting = Some(by.clone());
        self.cancel_turn(by.clone(), true);
        self.withdraw_all("the session was deleted", by.as_ref());
        self.stop_compaction("the session was deleted");
        self.stop_calls(true, CallErrorReason::Cancelled, "cancelled");
        for command_id in self.open_commands() {
            self.stop_command(&command_id, by.clone())?;
        }
        Ok(Answer::Done)
    }

    /// The last event of a session that is to be deleted, once nothing of it runs.
    pub(crate) fn finish_deleting(&mut self) {
        if !self.is_quiet() {
            return;
        }
        let Some(by) = self.deleting.take() else { return };
        self.emit(None, SessionDeleted { by });
        self.effects.push(Effect::Delete);
    }

    fn is_at_work(&self) -> bool {
        self.turn.is_some() || self.compaction.is_some() || !self.calls.is_empty()
    }
}
