//! From the log to ACP: what an event means to an editor. Pure; the same events give the same updates, live and replayed.

mod calls;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use agent_client_protocol_schema::v1 as acp;
use wharf_protocol::event::{
    AgentThinking, CommandEnded, CommandStarted, MessageChunk, MessageComplete, MessageError, PermissionRequested,
    PlanUpdated, PromptReceived, UsageUpdated,
};
use wharf_protocol::tool::{PlanEntry, PlanPriority, PlanStatus};
use wharf_protocol::vocabulary::NoticeTitle;
use wharf_protocol::{
    ApiError, CallId, CommandId, Event, EventBody, MessageId, PermissionId, PromptContent, Role, Seq, Session,
    StopReason, ToolSpec, TurnId,
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

/// How much of a message has been shown, in bytes.
#[derive(Debug, Default)]
struct Shown {
    text: u64,
    reasoning: u64,
}

/// Renders one session's events, in order.
pub(super) struct Renderer {
    /// As it was after the last event.
    pub(super) session: Session,
    shows: Shows,
    calls: Calls,
    /// Accepted but not started: they are shown when their turn comes.
    prompts: HashMap<MessageId, PromptContent>,
    /// The background commands that run.
    commands: HashMap<CommandId, CommandStarted>,
    /// The messages that are being written.
    messages: HashMap<MessageId, Shown>,
    /// Nothing more is shown of the turn that ended last.
    ended: Option<TurnId>,
}

impl Renderer {
    pub(super) fn new(session: Session, specs: Arc<[Arc<ToolSpec>]>, shows: Shows) -> Self {
        let calls = Calls::new(session.cwd.clone(), specs);
        Self {
            session,
            shows,
            calls,
            prompts: HashMap::new(),
            commands: HashMap::new(),
            messages: HashMap::new(),
            ended: None,
        }
    }

    pub(super) fn render(
        &mut self,
        event: &Event,
        viewer: impl FnOnce(&MessageId) -> Viewer,
        is_replay: bool,
    ) -> Vec<Effect> {
        let before = self.session.title.clone();
        self.session.apply(event);
        if event.turn_id.is_some() && event.turn_id == self.ended {
            return Vec::new();
        }
        let mut out = Vec::new();
        match &event.body {
            EventBody::SessionUpdated(changed) if !is_replay && options::concerns(changed) => {
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
                    show_prompt(&started.message_id, &content, &mut out);
                }
            }
            EventBody::PromptWithdrawn(withdrawn) => {
                self.prompts.remove(&withdrawn.message_id);
                out.push(Effect::Withdrawn(withdrawn.message_id.clone()));
            }
            EventBody::MessageChunk(chunk) if chunk.role == Role::Assistant => {
                let MessageChunk { message_id, offset, content, .. } = chunk;
                let shown = self.messages.entry(message_id.clone()).or_default();
                say(message_id, unseen(&mut shown.text, *offset, content), &mut out);
            }
            EventBody::AgentThinking(AgentThinking { message_id, offset, content }) => {
                let shown = self.messages.entry(message_id.clone()).or_default();
                think(message_id, unseen(&mut shown.reasoning, *offset, content), &mut out);
            }
            EventBody::MessageComplete(message) if message.role == Role::Assistant => {
                let MessageComplete { message_id, content, reasoning, tool_calls, .. } = message;
                self.finish_message(message_id, content, reasoning, &mut out);
                for call in tool_calls {
                    out.extend(self.calls.proposed(call).map(update));
                }
            }
            EventBody::MessageError(message) if message.role == Role::Assistant => {
                let MessageError { message_id, content, reasoning, .. } = message;
                self.finish_message(message_id, content, reasoning, &mut out);
            }
            EventBody::ToolCallStart(start) => out.push(update(self.calls.started(start))),
            EventBody::ToolCallProgress(progress) => {
                if let Some(shown) = self.calls.progressed(progress) {
                    out.push(Effect::Progress(progress.call_id.clone(), Box::new(shown)));
                }
            }
            EventBody::ToolCallComplete(complete) => out.extend(self.calls.completed(complete).into_iter().map(update)),
            EventBody::ToolCallError(error) => out.extend(self.calls.failed(error).into_iter().map(update)),
            EventBody::CommandStarted(started) => {
                self.commands.insert(started.command_id.clone(), started.clone());
            }
            EventBody::CommandEnded(ended) => self.command_ended(ended, is_replay, &mut out),
            EventBody::PermissionRequested(requested) => self.ask(requested, &mut out),
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
                    self.ended = Some(turn_id.clone());
                    self.messages.clear();
                    self.calls.clear();
                    out.push(Effect::TurnEnded(turn_id.clone(), end));
                }
            }
        }
        if self.session.title != before && !is_replay {
            out.insert(0, update(self.info()));
        }
        out
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
        self.calls.in_terminal(call, terminal)
    }

    /// A question that was open before this client came.
    pub(super) fn question(&mut self, requested: &PermissionRequested) -> Vec<Effect> {
        let mut out = Vec::new();
        self.ask(requested, &mut out);
        out
    }

    fn ask(&mut self, requested: &PermissionRequested, out: &mut Vec<Effect>) {
        let (announced, tool_call) = self.calls.asked(requested);
        out.extend(announced.map(update));
        let options = requested.options.iter().map(|option| calls::option(*option)).collect();
        let permission_id = requested.permission_id.clone();
        out.push(Effect::Ask(Box::new(Question { permission_id, tool_call, options })));
    }

    /// The call that started it says how it ended; who shows notices gets one, because that call is far up by then.
    fn command_ended(&mut self, ended: &CommandEnded, is_replay: bool, out: &mut Vec<Effect>) {
        let Some(started) = self.commands.remove(&ended.command_id) else { return };
        let (title, how) = (calls::command_title(&started), ended.in_words());
        out.push(update(calls::renamed(&started.call_id, format!("{title} ({how})"))));
        if self.shows.notices && !is_replay {
            let severity = match ended.exit_code {
                None | Some(0) => acp::NoticeSeverity::Info,
                Some(_) => acp::NoticeSeverity::Warning,
            };
            let notice = acp::Notice::new(severity, NoticeTitle::CommandEnded.title());
            out.push(update(acp::SessionUpdate::Notice(notice.description(format!("{title}: {how}")))));
        }
    }

    /// What the chunks did not show: they are gone from old turns.
    fn finish_message(&mut self, id: &MessageId, content: &str, reasoning: &str, out: &mut Vec<Effect>) {
        let mut shown = self.messages.remove(id).unwrap_or_default();
        think(id, unseen(&mut shown.reasoning, 0, reasoning), out);
        say(id, unseen(&mut shown.text, 0, content), out);
    }
}

fn update(update: acp::SessionUpdate) -> Effect {
    Effect::Update(Box::new(update))
}

/// The part of `content`, which starts at `offset`, that lies behind what was shown.
fn unseen<'a>(shown: &mut u64, offset: u64, content: &'a str) -> &'a str {
    let end = offset + content.len() as u64;
    let skip = usize::try_from(shown.saturating_sub(offset)).unwrap_or(usize::MAX).min(content.len());
    *shown = end.max(*shown);
    content.get(skip..).unwrap_or_default()
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
    Some(update(acp::SessionUpdate::UsageUpdate(acp::UsageUpdate::new(usage.context_tokens, size))))
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
