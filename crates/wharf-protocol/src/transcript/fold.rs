//! What each event does to a transcript.

mod calls;
mod prompts;
mod texts;
mod turns;

use super::clip::{line, maybe_line};
use super::notice::Settings;
use super::{Change, ENTRIES_MAX, Entry, EntryBody, LIST_MAX, Notice, PlanChange, Transcript};
use crate::event::{
    ContextCompacted, ContextCompacting, ModelRetrying, PlanUpdated, PromptRejected, SessionCleared, SessionUpdated,
    UnknownEvent,
};
use crate::tool::{PlanEntry, PlanStatus};
use crate::{Event, EventBody, Role, Seq, Timestamp, TurnId};

pub(super) use calls::ask;

/// What entries take from their event.
#[derive(Clone, Copy)]
struct Origin<'e> {
    seq: Seq,
    at: Timestamp,
    turn_id: Option<&'e TurnId>,
}

impl Transcript {
    /// Whether [`Transcript::apply`] does anything with an event: not with one that was taken before, and not with what comes
    /// late of the turn that ended last.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        self.is_news(event.seq, event.turn_id.as_ref())
    }

    fn is_news(&self, seq: Seq, turn_id: Option<&TurnId>) -> bool {
        seq > self.last_seq && (turn_id.is_none() || turn_id != self.ended_turn.as_ref())
    }

    /// Goes on with the next event, and says what it changed, in order.
    pub fn apply<'e>(&mut self, event: &'e Event) -> Vec<Change<'e>> {
        let is_taken = self.takes(event);
        self.last_seq = self.last_seq.max(event.seq);
        if !is_taken {
            return Vec::new();
        }
        self.make_room();
        let mut out = Vec::new();
        let origin = Origin { seq: event.seq, at: event.timestamp, turn_id: event.turn_id.as_ref() };
        self.fold(origin, &event.body, &mut out);
        out
    }

    /// The same for an event of a kind that this version does not know.
    pub fn apply_unknown(&mut self, event: &UnknownEvent) -> Vec<Change<'static>> {
        let is_taken = self.is_news(event.seq, event.turn_id.as_ref());
        self.last_seq = self.last_seq.max(event.seq);
        if !is_taken {
            return Vec::new();
        }
        self.make_room();
        let mut out = Vec::new();
        let origin = Origin { seq: event.seq, at: event.timestamp, turn_id: event.turn_id.as_ref() };
        self.notice(origin, Notice::UnknownEvent { r#type: line(&event.r#type) }, &mut out);
        out
    }

    fn fold<'e>(&mut self, origin: Origin<'e>, body: &'e EventBody, out: &mut Vec<Change<'e>>) {
        match body {
            EventBody::SessionCreated(created) => {
                if let Some(from) = &created.forked_from {
                    let notice = Notice::Forked { session_id: from.session_id.clone(), at_seq: from.seq };
                    self.notice(origin, notice, out);
                }
            }
            EventBody::SessionUpdated(changed) => self.updated(origin, changed, out),
            EventBody::SessionCleared(cleared) => self.cleared(origin, cleared, out),
            EventBody::SessionDeleted(deleted) => {
                self.notice(origin, Notice::Deleted { by: maybe_line(deleted.by.as_ref()) }, out);
            }
            EventBody::SessionRecovered(recovered) => {
                self.notice(origin, Notice::Recovered { reason: line(&recovered.reason) }, out);
            }
            EventBody::SessionSealed(sealed) => {
                let notice = Notice::Sealed { reason: sealed.reason, message: line(&sealed.message) };
                self.notice(origin, notice, out);
            }
            EventBody::SessionUnsealed(unsealed) => {
                self.notice(origin, Notice::Unsealed { by: maybe_line(unsealed.by.as_ref()) }, out);
            }
            EventBody::PromptReceived(received) => self.received(origin, received, out),
            EventBody::PromptQueued(queued) => self.queued(queued, out),
            EventBody::PromptStarted(started) => self.prompt_started(origin, started, out),
            EventBody::PromptWithdrawn(withdrawn) => self.withdrawn(origin, withdrawn, out),
            EventBody::PromptRejected(rejected) => {
                let PromptRejected { message_id, reason, sender } = rejected;
                let (reason, sender) = (line(reason), maybe_line(sender.as_ref()));
                self.notice(origin, Notice::Rejected { message_id: message_id.clone(), reason, sender }, out);
            }
            EventBody::TurnStarted(started) => self.turn_started(origin, started, out),
            EventBody::TurnCancelRequested(_) => self.turn_cancelling(origin, out),
            EventBody::TurnResumed(resumed) => self.turn_resumed(origin, resumed, out),
            EventBody::TurnCompleted(_) | EventBody::TurnCancelled(_) | EventBody::TurnFailed(_) => {
                self.turn_ended(origin, body, out);
            }
            EventBody::MessageChunk(chunk) if chunk.role == Role::Assistant => self.chunk(origin, chunk, out),
            EventBody::AgentThinking(thinking) => self.thinking(origin, thinking, out),
            EventBody::MessageComplete(message) if message.role == Role::Assistant => {
                self.message_complete(origin, message, out);
            }
            EventBody::MessageError(message) if message.role == Role::Assistant => {
                self.message_error(origin, message, out);
            }
            EventBody::ToolCallStart(start) => self.call_started(origin, start, out),
            EventBody::ToolCallResumed(resumed) => self.call_resumed(resumed, out),
            EventBody::ToolCallProgress(progress) => self.call_progress(progress, out),
            EventBody::ToolCallComplete(complete) => self.call_complete(origin, complete, out),
            EventBody::ToolCallError(error) => self.call_error(origin, error, out),
            EventBody::CommandStarted(started) => self.command_started(origin, started, out),
            EventBody::CommandEnded(ended) => self.command_ended(origin, ended, out),
            EventBody::PermissionRequested(requested) => self.asked(origin, requested, out),
            EventBody::PermissionResolved(resolved) => self.answered(origin, resolved, out),
            EventBody::PlanUpdated(plan) => self.plan_updated(origin, plan, out),
            EventBody::UsageUpdated(usage) => self.usage = Some(usage.clone()),
            EventBody::ContextCompacting(compacting) => {
                let ContextCompacting { reason, focus, by, attempt, .. } = compacting;
                let (focus, by) = (maybe_line(focus.as_ref()), maybe_line(by.as_ref()));
                self.notice(origin, Notice::Compacting { reason: *reason, focus, by, attempt: *attempt }, out);
            }
            EventBody::ContextCompactionFailed(failed) => {
                self.notice(origin, Notice::CompactionFailed { error: line(&failed.error) }, out);
            }
            EventBody::ContextCompacted(compacted) => {
                let ContextCompacted { reason, tokens_before, tokens_after, left_out, summary, .. } = compacted;
                let notice = Notice::Compacted {
                    reason: *reason,
                    tokens_before: *tokens_before,
                    tokens_after: *tokens_after,
                    left_out: *left_out,
                    summed_up: summary.is_some(),
                };
                self.notice(origin, notice, out);
            }
            EventBody::ModelRetrying(retrying) => {
                let ModelRetrying { attempt, max_attempts, delay_ms, error, turn_id: _ } = retrying;
                let (attempt, max_attempts, delay_ms) = (*attempt, *max_attempts, *delay_ms);
                self.notice(origin, Notice::Retrying { attempt, max_attempts, delay_ms, error: line(error) }, out);
            }
            // A session's status is the session's; a message begins with its first piece, and user and tool messages are
            // prompts and calls.
            EventBody::SessionStatusChanged(_)
            | EventBody::AgentIdle(_)
            | EventBody::ContextNoted(_)
            | EventBody::MessageStart(_)
            | EventBody::MessageChunk(_)
            | EventBody::MessageComplete(_)
            | EventBody::MessageError(_) => {}
        }
    }

    fn make_room(&mut self) {
        self.keep(ENTRIES_MAX);
        while self.entries.len() > ENTRIES_MAX {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// Appends an entry, and answers its place.
    fn push(&mut self, origin: Origin<'_>, open: bool, body: EntryBody, out: &mut Vec<Change<'_>>) -> usize {
        let Origin { seq, at, turn_id } = origin;
        self.entries.push_back(Entry { seq, at, turn_id: turn_id.cloned(), open, body });
        let place = self.entries.len() - 1;
        out.push(Change::New(place));
        place
    }

    fn notice(&mut self, origin: Origin<'_>, notice: Notice, out: &mut Vec<Change<'_>>) {
        self.push(origin, false, EntryBody::Notice(notice), out);
    }

    /// The newest open entry that is meant.
    fn find_open(&self, is_meant: impl Fn(&EntryBody) -> bool) -> Option<usize> {
        self.entries.iter().rposition(|entry| entry.open && is_meant(&entry.body))
    }

    fn updated(&mut self, origin: Origin<'_>, changed: &SessionUpdated, out: &mut Vec<Change<'_>>) {
        let SessionUpdated {
            agent_name, model, mode, thinking, tool_location, additional_directories, reason, by, ..
        } = changed;
        let directories = additional_directories.as_ref();
        let settings = Settings {
            agent_name: maybe_line(agent_name.as_ref()),
            model: maybe_line(model.as_ref()),
            mode: *mode,
            thinking: *thinking,
            tool_location: *tool_location,
            additional_directories: directories.map(|paths| paths.iter().take(LIST_MAX).cloned().collect()),
            reason: None,
            by: None,
        };
        // A title, the archive and the like change nothing of what the agent does.
        if settings != Settings::default() {
            let (reason, by) = (maybe_line(reason.as_ref()), maybe_line(by.as_ref()));
            let settings = Settings { reason, by, ..settings };
            self.notice(origin, Notice::Settings(settings), out);
        }
    }

    /// Everything before is gone from the log, so it is gone from here.
    fn cleared(&mut self, origin: Origin<'_>, cleared: &SessionCleared, out: &mut Vec<Change<'_>>) {
        *self = Self { last_seq: origin.seq, ..Self::default() };
        self.notice(origin, Notice::Cleared { by: maybe_line(cleared.by.as_ref()) }, out);
        // They are listed newest first.
        for command in cleared.commands.iter().take(LIST_MAX).rev() {
            self.kept_command(origin, command, out);
        }
    }

    fn plan_updated(&mut self, origin: Origin<'_>, plan: &PlanUpdated, out: &mut Vec<Change<'_>>) {
        let is = |status: PlanStatus| move |entry: &&PlanEntry| entry.status == status;
        let current = plan.entries.iter().find(is(PlanStatus::InProgress));
        let bounded = |entry: &PlanEntry| PlanEntry { content: line(&entry.content), ..entry.clone() };
        let new: Vec<PlanEntry> = plan.entries.iter().take(LIST_MAX).map(bounded).collect();
        let stays =
            |entry: &&PlanEntry| self.plan.iter().any(|old| old.content == entry.content && old.status == entry.status);
        let change = PlanChange {
            total: plan.entries.len() as u64,
            completed: plan.entries.iter().filter(is(PlanStatus::Completed)).count() as u64,
            current: current.map(|entry| line(&entry.content)),
            changed: new.iter().filter(|entry| !stays(entry)).cloned().collect(),
        };
        self.plan = new;
        self.push(origin, false, EntryBody::Plan(change), out);
    }
}
