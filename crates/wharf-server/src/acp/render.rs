//! From the log to ACP: what an event means to an editor. Pure; the same events give the same updates, live and replayed.

mod calls;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use serde_json::Value;
use wharf_protocol::event::{CommandEnded, PermissionRequested, PlanUpdated, PromptReceived, UsageUpdated};
use wharf_protocol::tool::{PlanEntry, PlanPriority, PlanStatus};
use wharf_protocol::transcript::{Change, EntryBody};
use wharf_protocol::vocabulary::NoticeTitle;
use wharf_protocol::{
    ApiError, CallId, Event, EventBody, MessageId, Permission, PermissionId, PromptContent, Seq, Session, StopReason,
    ToolSpec, Transcript, TurnId,
};

use super::content::{self, text_block};
use super::options;
use calls::Calls;

/// One piece of a long text, in bytes: with every character escaped it still stays below what clients take.
const TEXT_BYTES: usize = 512 << 10;

/// What a client said it can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shows {
    pub(super) notices: bool,
    pub(super) compaction: bool,
}

/// Who looks at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewer {
    /// The one who sent this prompt: it is on their screen already.
    Sender,
    Other,
    /// Somebody who is told the whole conversation.
    Replay,
}

/// What follows from an event for a client.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Update(Box<acp::SessionUpdate>),
    /// A running call's output; a later one of the same call replaces it.
    Progress(CallId, Box<acp::SessionUpdate>),
    /// What can be chosen is different now.
    Settings {
        mode_changed: bool,
    },
    Ask(Box<Question>),
    Settled(PermissionId),
    TurnEnded(TurnId, Result<acp::StopReason, ApiError>),
    Withdrawn(MessageId),
}

/// A permission to be asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) permission_id: PermissionId,
    pub(super) tool_call: acp::ToolCallUpdate,
    pub(super) options: Vec<acp::PermissionOption>,
}

/// Renders one session's events, in order.
pub(super) struct Renderer {
    /// As it was after the last event.
    pub(super) session: Session,
    shows: Shows,
    calls: Calls,
    /// What is open: calls, questions, background commands, messages that are being written. The client has the rest.
    transcript: Transcript,
    /// Whole contents of prompts that wait: they are shown when their turn comes.
    prompts: HashMap<MessageId, PromptContent>,
}

impl Renderer {
    pub(super) fn new(session: Session, specs: Arc<[Arc<ToolSpec>]>, shows: Shows) -> Self {
        let calls = Calls::new(session.cwd.clone(), specs);
        Self { session, shows, calls, transcript: Transcript::new(), prompts: HashMap::new() }
    }

    pub(super) fn render(
        &mut self,
        event: &Event,
        viewer: impl FnOnce(&MessageId) -> Viewer,
        is_replay: bool,
    ) -> Vec<Effect> {
        let before = self.session.title.clone();
        self.session.apply(event);
        let is_taken = self.transcript.takes(event);
        let changes = self.transcript.apply(event);
        if !is_taken {
            return Vec::new();
        }
        let mut out = Vec::new();
        if self.session.title != before && !is_replay {
            out.push(update(self.info()));
        }
        self.show(event, &changes, viewer, is_replay, &mut out);
        self.transcript.keep(0);
        out
    }

    fn show(
        &mut self,
        event: &Event,
        changes: &[Change<'_>],
        viewer: impl FnOnce(&MessageId) -> Viewer,
        is_replay: bool,
        out: &mut Vec<Effect>,
    ) {
        match &event.body {
            EventBody::SessionUpdated(changed) if !is_replay && options::concerns(changed) => {
                if let Some(reason) = changed.reason.as_ref().filter(|_| self.shows.notices) {
                    let notice = acp::Notice::new(acp::NoticeSeverity::Warning, NoticeTitle::OtherModel.title());
                    out.push(update(acp::SessionUpdate::Notice(notice.description(reason.clone()))));
                }
                out.push(Effect::Settings { mode_changed: changed.mode.is_some() });
            }
            EventBody::PromptReceived(PromptReceived { message_id, content, .. }) => {
                self.prompts.insert(message_id.clone(), content.clone());
            }
            EventBody::PromptStarted(started) => {
                let content = self.prompts.remove(&started.message_id);
                if viewer(&started.message_id) != Viewer::Sender
                    && let Some(content) = content
                {
                    show_prompt(&started.message_id, &content, out);
                }
            }
            EventBody::PromptWithdrawn(withdrawn) => {
                self.prompts.remove(&withdrawn.message_id);
                out.push(Effect::Withdrawn(withdrawn.message_id.clone()));
            }
            EventBody::MessageChunk(_) | EventBody::AgentThinking(_) | EventBody::MessageError(_) => {
                self.show_texts(changes, out);
            }
            EventBody::MessageComplete(message) => {
                self.show_texts(changes, out);
                for call in message.tool_calls.iter().filter(|call| self.is_new_call(changes, &call.call_id)) {
                    out.push(update(self.calls.announced(&call.call_id, &call.tool_name, &call.arguments)));
                }
                if self.shows.notices && !is_replay && !message.unseen.is_none() {
                    let notice = acp::Notice::new(acp::NoticeSeverity::Warning, NoticeTitle::ImagesUnseen.title());
                    out.push(update(acp::SessionUpdate::Notice(notice.description(message.unseen.in_words()))));
                }
            }
            EventBody::ToolCallStart(start) => {
                out.push(update(self.calls.started(start, self.is_new_call(changes, &start.call_id))));
            }
            EventBody::ToolCallProgress(progress) => {
                let shown = self.transcript.open_call(&progress.call_id).filter(|_| !changes.is_empty());
                if let Some(shown) = shown.and_then(|call| self.calls.progressed(call)) {
                    out.push(Effect::Progress(progress.call_id.clone(), Box::new(shown)));
                }
            }
            EventBody::ToolCallComplete(complete) => {
                self.announce(changes, &complete.call_id, &complete.tool_name, &Value::Null, out);
                out.push(update(self.calls.completed(complete)));
            }
            EventBody::ToolCallError(error) => {
                self.announce(changes, &error.call_id, &error.tool_name, &Value::Null, out);
                out.push(update(self.calls.failed(error)));
            }
            EventBody::CommandEnded(ended) => self.command_ended(ended, changes, is_replay, out),
            EventBody::PermissionRequested(requested) => self.ask(requested, changes, out),
            EventBody::PermissionResolved(resolved) => out.push(Effect::Settled(resolved.permission_id.clone())),
            EventBody::PlanUpdated(PlanUpdated { entries }) => out.push(update(plan(entries))),
            EventBody::UsageUpdated(usage) => out.extend(usage_update(usage)),
            EventBody::ContextCompacted(what) => {
                if self.shows.compaction {
                    out.push(update(compacted(event.seq)));
                }
                if self.shows.notices && !is_replay {
                    let notice = acp::Notice::new(acp::NoticeSeverity::Info, NoticeTitle::Compacted.title());
                    out.push(update(acp::SessionUpdate::Notice(notice.description(what.in_words()))));
                }
            }
            EventBody::ContextCompacting(_) if self.shows.notices && !is_replay => {
                let notice = acp::Notice::new(acp::NoticeSeverity::Info, NoticeTitle::Compacting.title());
                out.push(update(acp::SessionUpdate::Notice(notice)));
            }
            EventBody::ContextCompactionFailed(failed) if self.shows.notices && !is_replay => {
                let notice = acp::Notice::new(acp::NoticeSeverity::Warning, NoticeTitle::CompactionFailed.title());
                out.push(update(acp::SessionUpdate::Notice(notice.description(failed.error.clone()))));
            }
            EventBody::ModelRetrying(retry) if self.shows.notices && !is_replay => {
                let title =
                    format!("{} ({} of {})", NoticeTitle::AskedAgain.title(), retry.attempt, retry.max_attempts);
                let notice = acp::Notice::new(acp::NoticeSeverity::Warning, title).description(retry.error.clone());
                out.push(update(acp::SessionUpdate::Notice(notice)));
            }
            EventBody::SessionRecovered(recovered) if self.shows.notices && !is_replay => {
                let notice = acp::Notice::new(acp::NoticeSeverity::Info, NoticeTitle::ServerBack.title());
                out.push(update(acp::SessionUpdate::Notice(notice.description(recovered.reason.clone()))));
            }
            body => {
                if let (Some(turn_id), Some(end)) = (&event.turn_id, turn_end(body)) {
                    self.calls.clear();
                    out.push(Effect::TurnEnded(turn_id.clone(), end));
                }
            }
        }
    }

    /// The session's title, and when it changed last.
    pub(super) fn info(&self) -> acp::SessionUpdate {
        let info = acp::SessionInfoUpdate::new().updated_at(self.session.updated_at.to_string());
        acp::SessionUpdate::SessionInfoUpdate(match &self.session.title {
            Some(title) => info.title(title.clone()),
            None => info,
        })
    }

    /// A call runs in a terminal of this client's: it is shown there from here on.
    pub(super) fn show_terminal(&mut self, call: CallId, terminal: acp::TerminalId) -> Option<acp::SessionUpdate> {
        let is_known = self.transcript.open_call(&call).is_some();
        let shown = self.calls.in_terminal(call, terminal);
        // One that is not known yet comes with its terminal when it starts.
        is_known.then_some(shown)
    }

    /// A question that was open before this client came.
    pub(super) fn question(&mut self, permission: &Permission) -> Vec<Effect> {
        let mut out = Vec::new();
        let changes = self.transcript.ask(permission);
        self.ask(&permission.into(), &changes, &mut out);
        out
    }

    fn ask(&self, requested: &PermissionRequested, changes: &[Change<'_>], out: &mut Vec<Effect>) {
        let PermissionRequested { permission_id, call_id, tool_name, arguments, .. } = requested;
        self.announce(changes, call_id, tool_name, arguments, out);
        let tool_call = self.calls.asked(requested);
        let options = requested.options.iter().map(|option| calls::option(*option)).collect();
        out.push(Effect::Ask(Box::new(Question { permission_id: permission_id.clone(), tool_call, options })));
    }

    /// Tells of a call that begins with this event.
    fn announce(&self, changes: &[Change<'_>], id: &CallId, tool_name: &str, arguments: &Value, out: &mut Vec<Effect>) {
        if self.is_new_call(changes, id) {
            out.push(update(self.calls.announced(id, tool_name, arguments)));
        }
    }

    fn is_new_call(&self, changes: &[Change<'_>], id: &CallId) -> bool {
        changes.iter().any(|change| {
            let Change::New(at) = change else { return false };
            self.transcript.entries[*at].as_call().is_some_and(|call| call.call_id == *id)
        })
    }

    /// What of messages and reasoning was not shown yet: what their pieces did not show comes with the whole.
    fn show_texts(&self, changes: &[Change<'_>], out: &mut Vec<Effect>) {
        for change in changes {
            let Change::Text(at, text) = change else { continue };
            match &self.transcript.entries[*at].body {
                EntryBody::Message(message) => say(&message.message_id, text, out),
                EntryBody::Reasoning(reasoning) => think(&reasoning.message_id, text, out),
                _ => {}
            }
        }
    }

    /// The call that started it says how it ended; who shows notices gets one, because that call is far up by then.
    fn command_ended(&self, ended: &CommandEnded, changes: &[Change<'_>], is_replay: bool, out: &mut Vec<Effect>) {
        let Some(place) = changes.first().and_then(Change::place) else { return };
        let Some(command) = self.transcript.entries[place].as_command() else { return };
        // One that began before this view is no call here.
        let Some(call_id) = &command.call_id else { return };
        let title = calls::command_title(&command.command.text());
        let how = command.status.end_in_words(command.exit_code);
        out.push(update(calls::renamed(call_id, format!("{title} ({how})"))));
        if self.shows.notices && !is_replay {
            let severity = match ended.exit_code {
                None | Some(0) => acp::NoticeSeverity::Info,
                Some(_) => acp::NoticeSeverity::Warning,
            };
            let notice = acp::Notice::new(severity, NoticeTitle::CommandEnded.title());
            out.push(update(acp::SessionUpdate::Notice(notice.description(format!("{title}: {how}")))));
        }
    }
}

fn update(update: acp::SessionUpdate) -> Effect {
    Effect::Update(Box::new(update))
}

fn say(id: &MessageId, text: &str, out: &mut Vec<Effect>) {
    for piece in pieces(text) {
        let chunk = acp::ContentChunk::new(text_block(piece)).message_id(acp::MessageId::new(id.as_str()));
        out.push(update(acp::SessionUpdate::AgentMessageChunk(chunk)));
    }
}

/// A thought has an id of its own: clients put chunks of one id into one bubble.
fn think(id: &MessageId, text: &str, out: &mut Vec<Effect>) {
    for piece in pieces(text) {
        let chunk = acp::ContentChunk::new(text_block(piece)).message_id(acp::MessageId::new(format!("{id}-thought")));
        out.push(update(acp::SessionUpdate::AgentThoughtChunk(chunk)));
    }
}

fn show_prompt(id: &MessageId, content: &PromptContent, out: &mut Vec<Effect>) {
    for block in content.to_blocks() {
        let blocks: Vec<acp::ContentBlock> = match block.as_text() {
            Some(text) => pieces(text).map(text_block).collect(),
            None => vec![content::to_acp(&block)],
        };
        for block in blocks {
            let chunk = acp::ContentChunk::new(block).message_id(acp::MessageId::new(id.as_str()));
            out.push(update(acp::SessionUpdate::UserMessageChunk(chunk)));
        }
    }
}

fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (piece, rest) = text.split_at(text.floor_char_boundary(TEXT_BYTES));
        text = rest;
        Some(piece)
    })
}

fn plan(entries: &[PlanEntry]) -> acp::SessionUpdate {
    let entries = entries.iter().map(|PlanEntry { content, priority, status }| {
        let priority = match priority {
            PlanPriority::High => acp::PlanEntryPriority::High,
            PlanPriority::Medium => acp::PlanEntryPriority::Medium,
            PlanPriority::Low => acp::PlanEntryPriority::Low,
        };
        let status = match status {
            PlanStatus::Pending => acp::PlanEntryStatus::Pending,
            PlanStatus::InProgress => acp::PlanEntryStatus::InProgress,
            PlanStatus::Completed => acp::PlanEntryStatus::Completed,
        };
        acp::PlanEntry::new(content.as_str(), priority, status)
    });
    acp::SessionUpdate::Plan(acp::Plan::new(entries.collect()))
}

/// Where the size of the model's context is not known, there is nothing to show.
fn usage_update(usage: &UsageUpdated) -> Option<Effect> {
    let size = usage.context_limit?;
    let told = acp::UsageUpdate::new(usage.context_tokens, size);
    // A sum that lacks calls would be taken for all of it.
    let sum = usage.cost.map(|cost| cost.session).filter(|cost| cost.priced_calls > 0 && cost.unpriced_calls == 0);
    let cost = sum.map(|sum| acp::Cost::new(sum.nano_usd as f64 / 1e9, "USD"));
    Some(update(acp::SessionUpdate::UsageUpdate(told.cost(cost))))
}

fn compacted(seq: Seq) -> acp::SessionUpdate {
    let id = acp::CompactionId::new(format!("compaction-{seq}"));
    acp::SessionUpdate::CompactionUpdate(acp::CompactionUpdate::new(id, acp::CompactionStatus::Completed))
}

fn turn_end(body: &EventBody) -> Option<Result<acp::StopReason, ApiError>> {
    match body {
        EventBody::TurnCompleted(done) => Some(Ok(stop_reason(done.stop_reason))),
        EventBody::TurnCancelled(_) => Some(Ok(acp::StopReason::Cancelled)),
        EventBody::TurnFailed(failed) => Some(match failed.stop_reason {
            // A limit of the turn, like the one on model calls.
            StopReason::TimedOut => Ok(acp::StopReason::MaxTurnRequests),
            _ => Err(failed.error.clone()),
        }),
        _ => None,
    }
}

/// How a turn ended that was over before the client asked.
pub(super) fn end_of(turn: &wharf_protocol::Turn) -> Result<acp::StopReason, ApiError> {
    match (&turn.error, turn.stop_reason) {
        (_, Some(StopReason::TimedOut)) => Ok(acp::StopReason::MaxTurnRequests),
        (Some(error), _) => Err(error.clone()),
        (None, reason) => Ok(stop_reason(reason.unwrap_or(StopReason::Cancelled))),
    }
}

fn stop_reason(reason: StopReason) -> acp::StopReason {
    match reason {
        StopReason::EndTurn | StopReason::Error => acp::StopReason::EndTurn,
        StopReason::MaxTokens => acp::StopReason::MaxTokens,
        StopReason::MaxTurnRequests | StopReason::TimedOut => acp::StopReason::MaxTurnRequests,
        StopReason::Refusal => acp::StopReason::Refusal,
        StopReason::Cancelled | StopReason::Interrupted => acp::StopReason::Cancelled,
    }
}
