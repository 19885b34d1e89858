//! Outcomes as lines of text, with short names for generated ids.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use wharf_protocol::content::text_of;
use wharf_protocol::event::Decision;
use wharf_protocol::{CallId, Event, EventBody, Message, Role};

use crate::{Answer, Effect, Outcome, Rejected};

/// Ids by the order in which they are met: turns `t1`, calls `a`, permissions `p1`, the agent's messages `r1`.
#[derive(Default)]
pub(crate) struct Names {
    short: BTreeMap<String, String>,
    long: BTreeMap<String, String>,
    counts: BTreeMap<char, u32>,
}

impl Names {
    fn of(&mut self, kind: char, id: impl ToString) -> String {
        let id = id.to_string();
        if let Some(short) = self.short.get(&id) {
            return short.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let short = match kind {
            'c' => char::from(b'a' + u8::try_from(*count - 1).unwrap()).to_string(),
            kind => format!("{kind}{count}"),
        };
        self.short.insert(id.clone(), short.clone());
        self.long.insert(short.clone(), id);
        short
    }

    fn call(&mut self, id: &CallId) -> String {
        self.of('c', id)
    }

    fn message(&mut self, id: &impl ToString) -> String {
        let id = id.to_string();
        if id.starts_with("msg-") { self.of('r', id) } else { id }
    }

    /// Leaves out what large results are made of.
    fn brief(text: &str) -> String {
        text.split("x".repeat(200).as_str()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("..")
    }

    /// What the model is told to write is always the same.
    fn without_instructions(text: &str) -> String {
        let (before, rest) = text.split_once("Sum up everything above").unwrap();
        let focus = rest.split_once("Keep above all: ").map(|(_, focus)| format!(", above all {focus}"));
        format!("{before}<sum up{}>", focus.unwrap_or_default())
    }

    /// The id behind a short name, or the name itself.
    pub(crate) fn id(&self, short: &str) -> String {
        self.long.get(short).cloned().unwrap_or_else(|| short.to_owned())
    }

    pub(crate) fn outcome(&mut self, outcome: &Outcome, out: &mut String) {
        for event in &outcome.events {
            let turn = event.turn_id.as_ref().map(|turn| format!("{} ", self.of('t', turn))).unwrap_or_default();
            let body = Self::brief(&self.event(event));
            writeln!(out, "  {turn}{body}").unwrap();
        }
        for effect in &outcome.effects {
            let effect = Self::brief(&self.effect(effect));
            writeln!(out, "  -> {effect}").unwrap();
        }
        let answer = self.answer(&outcome.answer);
        if !answer.is_empty() {
            writeln!(out, "  = {answer}").unwrap();
        }
    }

    fn answer(&mut self, answer: &Result<Answer, Rejected>) -> String {
        match answer {
            Ok(Answer::Done) => String::new(),
            Ok(Answer::Prompt(accepted)) => {
                let turn = self.of('t', &accepted.turn_id);
                let position = accepted.position.map(|at| format!(", position {at}")).unwrap_or_default();
                format!("{turn}, seq {}{position}", accepted.seq)
            }
            Ok(Answer::Cancelled(None)) => "nothing to cancel".to_owned(),
            Ok(Answer::Cancelled(Some(turn))) => format!("cancelling {}", self.of('t', turn)),
            Ok(Answer::Call(call_id)) => format!("call {}", self.call(call_id)),
            Ok(Answer::Compacting(seq)) => format!("compacting, seq {seq}"),
            Ok(Answer::Command(id)) => format!("command {}", self.of('k', id)),
            Err(Rejected::UnknownCommand { command_id }) => {
                format!("refused: no command {} is known", self.of('k', command_id))
            }
            Err(Rejected::AlreadyResolved { permission_id, resolution, by }) => {
                format!("refused: {} is {resolution:?} by {by:?}", self.of('p', permission_id))
            }
            Err(Rejected::UnknownPermission { permission_id }) => {
                format!("refused: no permission {} is open", self.of('p', permission_id))
            }
            Err(Rejected::UnknownTurn { turn_id }) => {
                format!("refused: no turn {} is running or waiting", self.of('t', turn_id))
            }
            Err(rejected) => format!("refused: {rejected}"),
        }
    }

    fn effect(&mut self, effect: &Effect) -> String {
        match effect {
            Effect::CallModel { ask, messages, .. } => {
                let messages: Vec<String> = messages.iter().map(|message| self.shown(message)).collect();
                format!("call model {ask}: {}", messages.join(" | "))
            }
            Effect::AskSummary { ask, messages, is_quoted, .. } => {
                let messages: Vec<String> = messages.iter().map(|message| self.shown(message)).collect();
                let form = if *is_quoted { " quoted" } else { "" };
                format!("ask for a summary{form} {ask}: {}", Self::without_instructions(&messages.join(" | ")))
            }
            Effect::AskTitle { message, .. } => {
                let text = text_of(&message.content);
                format!(
                    "ask for a title: {}",
                    text.split_once("\n\n").map_or("", |(_, quoted)| quoted).replace('\n', "⏎")
                )
            }
            Effect::StopModel { ask } => format!("stop model {ask}"),
            Effect::RunCall { call_id, tool_name, arguments, .. } => {
                format!("run {}: {tool_name} {}", self.call(call_id), subject(arguments))
            }
            Effect::LookAtCall { call_id, preview, .. } => {
                format!("look at {}{}", self.call(call_id), if *preview { " with its change" } else { "" })
            }
            Effect::StopCall { call_id } => format!("stop {}", self.call(call_id)),
            Effect::StartCommand { command_id, timeout_ms, .. } => {
                format!("start {}, {timeout_ms} ms", self.of('k', command_id))
            }
            Effect::StopCommand { command_id } => format!("stop {}", self.of('k', command_id)),
            Effect::Truncate { through } => format!("truncate through {through}"),
            Effect::Delete => "delete".to_owned(),
        }
    }

    /// A message as the model is shown it.
    fn shown(&mut self, message: &Message) -> String {
        let text = text_of(&message.content).replace('\n', "⏎");
        let error = if message.is_error { "!" } else { "" };
        match message.role {
            Role::User => format!("user{error} {text}"),
            Role::Tool => {
                let call = message.call_id.as_ref().map(|id| self.call(id)).unwrap_or_default();
                format!("{call}{error} {text}")
            }
            Role::Assistant => {
                let calls = message.tool_calls.iter().map(|call| self.call(&call.call_id)).collect::<Vec<_>>();
                let calls = if calls.is_empty() { String::new() } else { format!(" [{}]", calls.join(" ")) };
                format!("agent{error} {text}{calls}").replace("  ", " ")
            }
        }
    }

    fn event(&mut self, event: &Event) -> String {
        let kind = event.kind();
        let detail = match &event.body {
            EventBody::SessionUpdated(e) => format!("{} by {:?}", changed(e), e.by),
            EventBody::SessionCleared(e) => match e.commands.len() {
                0 => format!("{} grants kept", e.grants.len()),
                commands => format!("{} grants, {commands} commands kept", e.grants.len()),
            },
            EventBody::SessionStatusChanged(e) => format!("{} -> {}", e.previous.as_str(), e.status.as_str()),
            EventBody::SessionSealed(e) => e.message.clone(),
            EventBody::SessionUnsealed(e) => format!("by {:?}", e.by),
            EventBody::SessionRecovered(e) => format!("seq {} after {:?}", event.seq, e.last_seq_on_disk),
            EventBody::PromptReceived(e) => format!("{}", e.message_id),
            EventBody::PromptQueued(e) => format!("{} at {} {:?}", e.message_id, e.position, e.priority),
            EventBody::PromptStarted(e) => format!("{}{}", e.message_id, if e.steered { " steered" } else { "" }),
            EventBody::PromptRejected(e) => format!("{}: {}", e.message_id, e.reason),
            EventBody::PromptWithdrawn(e) => format!("{}: {}", e.message_id, e.reason),
            EventBody::TurnStarted(e) => format!("{} {}", e.message_id, e.model),
            EventBody::TurnCancelRequested(e) => format!("by {:?} force {}", e.by, e.force),
            EventBody::TurnResumed(e) => format!("attempt {}", e.attempt),
            EventBody::TurnCompleted(e) => {
                format!("{:?} {:?} {} tokens, {} ms", e.stop_reason, e.response, e.usage.total_tokens, e.duration_ms)
            }
            EventBody::TurnCancelled(e) => format!("{:?} by {:?}, {} ms", e.response, e.by, e.duration_ms),
            EventBody::TurnFailed(e) => {
                format!("{:?} {} {:?} after {:?}", e.stop_reason, e.error.code, e.error.error, e.response)
            }
            EventBody::MessageStart(e) => self.message(&e.message_id),
            EventBody::MessageChunk(e) => format!("{} {}+{:?}", self.message(&e.message_id), e.offset, e.content),
            EventBody::AgentThinking(e) => format!("{} {}+{:?}", self.message(&e.message_id), e.offset, e.content),
            EventBody::MessageComplete(e) => {
                let calls = e.tool_calls.iter();
                let calls =
                    calls.map(|c| format!(" {}={} {}", self.call(&c.call_id), c.tool_name, subject(&c.arguments)));
                let calls: String = calls.collect();
                let reasoning =
                    if e.reasoning.is_empty() { String::new() } else { format!(" thought {:?}", e.reasoning) };
                let unseen = if e.unseen.is_none() { String::new() } else { format!(" {}", e.unseen.in_words()) };
                format!("{} {:?}{calls}{reasoning}{unseen}", self.message(&e.message_id), e.content)
            }
            EventBody::MessageError(e) => format!("{} {:?}: {}", self.message(&e.message_id), e.content, e.error),
            EventBody::ToolCallStart(e) => {
                let at: String = e.locations.iter().map(|place| format!(" at {}", place.path)).collect();
                format!("{} `{}`{at} ({})", self.call(&e.call_id), e.title, self.decision(&e.decision))
            }
            EventBody::ToolCallResumed(e) => format!("{} attempt {}", self.call(&e.call_id), e.attempt),
            EventBody::ToolCallProgress(e) => format!("{} {}+{:?}", self.call(&e.call_id), e.offset, e.content),
            EventBody::ToolCallComplete(e) => format!("{} {:?} {} ms", self.call(&e.call_id), e.result, e.duration_ms),
            EventBody::ToolCallError(e) => {
                let decision = e.decision.as_ref().map(|d| format!(" ({})", self.decision(d))).unwrap_or_default();
                let output = if e.output.is_empty() { String::new() } else { format!(" output {:?}", e.output) };
                format!("{} {:?} {:?}{output}{decision}", self.call(&e.call_id), e.reason, e.error)
            }
            EventBody::CommandStarted(e) => {
                format!("{} by {}: {}", self.of('k', &e.command_id), self.call(&e.call_id), e.command)
            }
            EventBody::CommandEnded(e) => {
                let by = e.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!(
                    "{} {}{by} {:?} {} ms",
                    self.of('k', &e.command_id),
                    e.status.as_str(),
                    e.exit_code,
                    e.duration_ms
                )
            }
            EventBody::PermissionRequested(e) => {
                let wait_ms = e.expires_at.ms_since(event.timestamp);
                format!(
                    "{} for {}: {} [{wait_ms} ms]",
                    self.of('p', &e.permission_id),
                    self.call(&e.call_id),
                    e.question
                )
            }
            EventBody::PermissionResolved(e) => {
                let remembered = if e.remembered { " remembered" } else { "" };
                format!("{} {:?} by {:?}{remembered}", self.of('p', &e.permission_id), e.option, e.by)
            }
            EventBody::PlanUpdated(e) => format!("{} entries", e.entries.len()),
            EventBody::UsageUpdated(e) => {
                format!(
                    "turn {}, session {}, context {}",
                    e.turn.total_tokens, e.session.total_tokens, e.context_tokens
                )
            }
            EventBody::ContextCompacting(e) => {
                let focus = e.focus.as_ref().map(|focus| format!(" focus {focus:?}")).unwrap_or_default();
                let limit = e.context_limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
                let from = self.message(&e.kept_from);
                format!("{:?} {} tokens before {from}, attempt {}{limit}{focus}", e.reason, e.tokens, e.attempt)
            }
            EventBody::ContextCompactionFailed(e) => e.error.clone(),
            EventBody::ContextNoted(e) => noted(e, &self.message(&e.message_id)),
            EventBody::ContextCompacted(e) => {
                let left_out = e.left_out;
                let mut out = format!(
                    "{:?} {} -> {} through {}, {} results {} messages {} shortened",
                    e.reason,
                    e.tokens_before,
                    e.tokens_after,
                    e.trimmed_through,
                    left_out.results,
                    left_out.messages,
                    left_out.shortened
                );
                if left_out.images > 0 {
                    write!(out, " {} images", left_out.images).unwrap();
                }
                if let Some(kept_from) = &e.kept_from {
                    write!(out, " from {}", self.message(kept_from)).unwrap();
                }
                if let Some(limit) = e.context_limit {
                    write!(out, " of {limit}").unwrap();
                }
                if let Some(summary) = &e.summary {
                    write!(out, " summary {summary:?}").unwrap();
                }
                if let Some(error) = &e.summary_error {
                    write!(out, " no summary: {error}").unwrap();
                }
                out
            }
            EventBody::ModelRetrying(e) => {
                format!("{}/{} in {} ms: {}", e.attempt, e.max_attempts, e.delay_ms, e.error)
            }
            EventBody::SessionCreated(_) | EventBody::SessionDeleted(_) | EventBody::AgentIdle(_) => String::new(),
        };
        format!("{kind} {detail}").trim_end().to_owned()
    }

    fn decision(&mut self, decision: &Decision) -> String {
        let asked = decision.permission_id.as_ref().map(|id| format!("{}: ", self.of('p', id))).unwrap_or_default();
        let allowed = if decision.allowed { "" } else { "no: " };
        format!("{asked}{allowed}{}", decision.reason)
    }
}

fn noted(e: &wharf_protocol::event::ContextNoted, message: &str) -> String {
    let facts = e.facts.as_ref().map(|facts| format!(" {facts:?}")).unwrap_or_default();
    let files = e.files.iter().map(|file| {
        let left_out =
            if file.left_out_bytes > 0 { format!(" without {}", file.left_out_bytes) } else { String::new() };
        format!(" {:?} {}{left_out}", file.change, file.path)
    });
    format!("in {message}{facts}{}", files.collect::<String>())
}

fn changed(e: &wharf_protocol::event::SessionUpdated) -> String {
    let mode = e.mode.map(|mode| format!("mode {mode}"));
    let location = e.tool_location.map(|location| format!("tools at the {}", location.as_str()));
    let agent = e.agent_name.as_ref().map(|agent| format!("agent {agent}"));
    let thinking = e.thinking.map(|thinking| format!("thinking {thinking}"));
    let archived = e.archived.map(|archived| format!("archived {archived}"));
    let recovery = e.recovery.map(|recovery| format!("recovery {recovery:?}"));
    let reason = e.reason.as_ref().map(|reason| format!("as {reason}"));
    let fields = [e.title.clone(), e.model.clone(), agent, mode, thinking, location, archived, recovery, reason];
    fields.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The one argument that the tests' tools have.
fn subject(arguments: &Value) -> String {
    match arguments.as_object().and_then(|fields| fields.values().next()) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "{}".to_owned(),
    }
}
