//! Compaction with a summary: when the model is asked for one, what comes of it, and what happens where none comes.
//!
//! It begins with `context.compacting` and ends with `context.compacted` or `context.compaction_failed`, within a turn between two model
//! calls, or by itself where somebody asked for it. Until its end nothing is left out.

use wharf_protocol::event::{AgentIdle, CompactReason, ContextCompacted, ContextCompacting, ContextCompactionFailed};
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};
use wharf_protocol::{CallCost, RecoveryPolicy, SessionStatus, StopReason, Timestamp, Usage};

use crate::config::Recovery;
use crate::context::{Refused, WINDOWS};
use crate::core::Core;
use crate::input::Again;
use crate::outcome::{Answer, Effect, Rejected};
use crate::state::{Form, SummaryStage};
use crate::summary;

/// A summary that a server died with so often is not asked for again: what is left out mechanically has to do.
const MAX_ATTEMPTS: u32 = 2;

/// So many summaries in a row may fail in one turn; after that the turn does without.
const MAX_FAILED: u32 = 2;

/// A summary takes the place of at least so much of the window, in per cent: one that wins less is not worth a model call.
const MIN_WON: u64 = 10;

/// The same where somebody asks for it, in tokens: about what a note of a summary takes by itself.
const MIN_ASKED_TOKENS: u64 = 64;

/// Of what follows the cut, the newest messages are kept up to this part of the window, in per cent, and these many tokens.
const KEPT: u64 = 20;
const KEPT_MAX_TOKENS: u64 = 20_000;

/// What a summary took and cost, where its provider counts.
#[derive(Debug, Clone, Copy)]
struct Spent {
    usage: Usage,
    cost: Option<CallCost>,
}

impl Spent {
    fn of(reply: &ModelReply) -> Option<Self> {
        reply.usage.map(|usage| Self { usage, cost: reply.cost })
    }
}

impl Core {
    /// Somebody wants the conversation summed up.
    pub(crate) fn compact_as_asked(&mut self, focus: Option<String>, by: Option<String>) -> Result<Answer, Rejected> {
        if self.deleting.is_some() {
            return Err(Rejected::Deleted);
        }
        if self.draining {
            return Err(Rejected::Draining);
        }
        if self.turn.is_some() || self.compaction.is_some() || !self.prompts.is_empty() {
            return Err(Rejected::Busy);
        }
        let at = self.shown.cut_for_asked(self.kept_tokens(self.window()), MIN_ASKED_TOKENS);
        let Some(at) = at else { return Err(Rejected::NothingToCompact) };
        self.begin_compaction(at, CompactReason::Asked, Refused::default(), focus, by);
        Ok(Answer::Compacting(self.session.last_seq))
    }

    /// Where the cut would be, if a summary of what stands before it may be asked for and is worth it.
    pub(crate) fn worth_a_summary(&self, window: u64) -> Option<usize> {
        let turn = self.turn.as_ref()?;
        if turn.is_summed_up || turn.failed_summaries >= MAX_FAILED {
            return None;
        }
        let at = self.shown.cut_at(self.kept_tokens(Some(window)))?;
        (self.measure.scaled(self.shown.won_by(at)) >= window / 100 * MIN_WON).then_some(at)
    }

    /// What of the newest is kept word for word, in tokens.
    fn kept_tokens(&self, window: Option<u64>) -> u64 {
        let share = window.map_or(u64::MAX, |window| self.measure.unscaled(window / 100 * KEPT));
        share.min(KEPT_MAX_TOKENS)
    }

    pub(crate) fn begin_compaction(
        &mut self,
        at: usize,
        reason: CompactReason,
        refused: Refused,
        focus: Option<String>,
        by: Option<String>,
    ) {
        let Some(first) = self.shown.messages().get(at) else { return };
        let kept_from = first.message_id.clone();
        let tokens = self.measure.scaled(self.shown.tokens_before(at));
        let (context_limit, asked_tokens) = (refused.limit, refused.asked);
        let model = context_limit.or(asked_tokens).map(|_| self.session.model.clone());
        let begun =
            ContextCompacting { reason, kept_from, tokens, focus, by, attempt: 1, context_limit, asked_tokens, model };
        self.emit_in_turn(begun);
    }

    /// Does what can be done for the open compaction now.
    pub(crate) fn go_on_compacting(&mut self) {
        let Some(open) = self.compaction.as_ref().filter(|open| open.stage == SummaryStage::Idle) else { return };
        let turn_id = open.turn_id.clone();
        let Some(at) = self.shown.position(&open.begun.kept_from).filter(|at| *at > 0) else {
            return self.compact_without("there is nothing left to sum up", None);
        };
        let budget = self.window().map(|window| self.summary_budget(window, open.begun.reason));
        let may_prefix =
            open.form == Form::Prefix && self.window().is_none_or(|window| window >= summary::MIN_PREFIX_WINDOW);
        let focus = open.begun.focus.as_deref();
        let estimate = self.instructions_tokens + self.tools_tokens;
        let prefix = may_prefix.then(|| summary::as_prefix(&self.shown, at, focus, estimate, budget)).flatten();
        let (form, messages) = match prefix {
            Some(messages) => (Form::Prefix, messages),
            None => (Form::Quoted, summary::quoted(&self.shown, at, focus, budget)),
        };
        self.last_ask += 1;
        let ask = self.last_ask;
        if let Some(open) = &mut self.compaction {
            (open.stage, open.form) = (SummaryStage::Asked { ask }, form);
        }
        self.effects.push(Effect::AskSummary { ask, turn_id, messages, is_quoted: form == Form::Quoted });
    }

    /// What the request for a summary may take, as it is estimated, in tokens.
    fn summary_budget(&self, window: u64, reason: CompactReason) -> u64 {
        let share = match reason {
            // What is known of the window has just been wrong: a second refusal in a row would win nothing.
            CompactReason::Overflow => summary::BUDGET_AFTER_OVERFLOW,
            CompactReason::Window | CompactReason::Asked => summary::BUDGET,
        };
        self.measure.unscaled(self.usable(window) / 100 * share)
    }

    fn is_asked(&self, ask: u64) -> bool {
        self.compaction.as_ref().is_some_and(|open| open.stage == SummaryStage::Asked { ask })
    }

    /// The model has answered.
    pub(crate) fn summary_written(&mut self, ask: u64, text: &str, reply: &ModelReply) {
        if !self.is_asked(ask) {
            return;
        }
        let problem = self.problem_of(text, reply);
        let Some(open) = &mut self.compaction else { return };
        match problem {
            // Some models go on with the work instead, as long as they are shown it as their own.
            Some(_) if open.form == Form::Prefix => (open.stage, open.form) = (SummaryStage::Idle, Form::Quoted),
            Some(problem) => return self.compact_without_after(problem, None, Spent::of(reply)),
            None => return self.summed_up(text.trim(), Spent::of(reply)),
        }
        if let Some(spent) = Spent::of(reply) {
            self.count_summary(spent);
        }
    }

    /// Why a text cannot stand for what it is to sum up.
    fn problem_of(&self, text: &str, reply: &ModelReply) -> Option<&'static str> {
        let open = self.compaction.as_ref()?;
        let before = self.shown.position(&open.begun.kept_from).map_or(0, |at| self.shown.tokens_before(at));
        let takes = text.len() as u64 / 4;
        let most = self.window().map_or(u64::MAX, |window| self.measure.unscaled(self.usable(window) / 4));
        match reply.stop_reason {
            _ if text.trim().is_empty() => Some("the model wrote none"),
            StopReason::MaxTokens => Some("the model did not come to its end"),
            StopReason::EndTurn if !reply.tool_calls.is_empty() => Some("the model went on with the work instead"),
            StopReason::EndTurn if takes > before / 10 * 9 || takes > most => Some("it is hardly shorter"),
            StopReason::EndTurn => None,
            _ => Some("the model refused it"),
        }
    }

    fn summed_up(&mut self, text: &str, spent: Option<Spent>) {
        let Some(open) = self.compaction.clone() else { return };
        let kept_from = open.begun.kept_from;
        let plan = self.shown.sum_up(&kept_from, text);
        let (tokens_before, reason) = (self.expected(), open.begun.reason);
        let tokens_after = self.expected_after(&plan);
        self.end_compaction(ContextCompacted { tokens_before, tokens_after, reason, ..plan }, spent);
    }

    pub(crate) fn summary_failed(&mut self, ask: u64, error: &ModelError, again: Again) {
        if !self.is_asked(ask) {
            return;
        }
        let Some(repeated) = self.compaction.as_ref().map(|open| open.repeated) else { return };
        if let Some(delay_ms) = self.delay_of(error, repeated, again) {
            let until = self.now.after_ms(delay_ms);
            if let Some(open) = &mut self.compaction {
                (open.stage, open.repeated) = (SummaryStage::Waiting { until }, repeated + 1);
            }
            return;
        }
        let limit = match error.kind {
            ModelErrorKind::ContextOverflow { limit, asked: _ } => limit.filter(|limit| WINDOWS.contains(limit)),
            _ => None,
        };
        self.compact_without(&error.message, limit);
    }

    /// There will be no summary: what does not fit is left out mechanically; where all fits, nothing is.
    pub(crate) fn compact_without(&mut self, error: &str, limit: Option<u64>) {
        self.compact_without_after(error, limit, None);
    }

    fn compact_without_after(&mut self, error: &str, limit: Option<u64>, spent: Option<Spent>) {
        let Some(open) = self.compaction.clone() else { return };
        let reason = open.begun.reason;
        let window = limit.into_iter().chain(self.window()).min();
        let target = window.filter(|window| self.is_near(*window)).map(|window| self.target(window));
        let target = match (target, reason) {
            (Some(target), _) => target,
            (None, CompactReason::Overflow) => self.shown.total / 2,
            (None, CompactReason::Window | CompactReason::Asked) => u64::MAX,
        };
        let Some(plan) = self.shown.plan(target, self.result_max_bytes()) else {
            return self.end_compaction(ContextCompactionFailed { error: error.to_owned() }, spent);
        };
        let (tokens_before, tokens_after) = (self.expected(), self.expected_after(&plan));
        let model = limit.map(|_| self.session.model.clone());
        let compacted = ContextCompacted {
            tokens_before,
            tokens_after,
            reason,
            context_limit: limit,
            model,
            summary_error: Some(error.to_owned()),
            ..plan
        };
        self.end_compaction(compacted, spent);
    }

    /// The one way in which a compaction ends.
    fn end_compaction(&mut self, body: impl Into<wharf_protocol::EventBody>, spent: Option<Spent>) {
        let Some(open) = self.compaction.clone() else { return };
        self.emit(open.turn_id.clone(), body);
        if let Some(spent) = spent {
            self.count_summary(spent);
        }
        if open.turn_id.is_none() && !self.start_next() {
            self.set_status(SessionStatus::Idle);
            if self.prompts.is_empty() {
                self.emit(None, AgentIdle {});
            }
        }
    }

    /// Ends it without a summary and without leaving anything out.
    pub(crate) fn stop_compaction(&mut self, told: &str) {
        let Some(open) = &self.compaction else { return };
        if let SummaryStage::Asked { ask } = open.stage {
            self.effects.push(Effect::StopModel { ask });
        }
        self.end_compaction(ContextCompactionFailed { error: told.to_owned() }, None);
    }

    /// A summary costs like any other reply.
    fn count_summary(&mut self, spent: Spent) {
        let context_tokens = self.expected();
        self.emit_usage(self.session.model.clone(), Some(spent.usage), spent.cost, context_tokens);
    }

    /// When the open compaction wants to be woken: to ask again, or because its time is up. In a turn the turn's time counts.
    pub(crate) fn compaction_deadline(&self) -> Option<Timestamp> {
        let open = self.compaction.as_ref()?;
        let asks = match open.stage {
            SummaryStage::Waiting { until } => Some(until),
            SummaryStage::Idle | SummaryStage::Asked { .. } => None,
        };
        let ends = open.turn_id.is_none().then(|| open.at.after_ms(self.config.max_turn_ms));
        asks.into_iter().chain(ends).min()
    }

    pub(crate) fn tick_compaction(&mut self) {
        let (now, max_ms) = (self.now, self.config.max_turn_ms);
        let Some(open) = &mut self.compaction else { return };
        if open.turn_id.is_none() && open.at.after_ms(max_ms) <= now {
            return self.stop_compaction(&format!("it took longer than {max_ms} ms"));
        }
        if matches!(open.stage, SummaryStage::Waiting { until } if until <= now) {
            open.stage = SummaryStage::Idle;
        }
    }

    /// A dead owner had begun it.
    pub(crate) fn recover_compaction(&mut self) {
        let Some(open) = self.compaction.clone() else { return };
        let is_given_up = match self.session.recovery {
            RecoveryPolicy::Server => self.config.recovery == Recovery::Interrupt,
            RecoveryPolicy::Continue => false,
            RecoveryPolicy::Interrupt => true,
        };
        if is_given_up {
            self.stop_compaction("the server stopped in the middle of it");
        } else if open.begun.attempt >= MAX_ATTEMPTS {
            self.compact_without("the server stopped in the middle of it, and again when it was repeated", None);
        } else {
            let attempt = open.begun.attempt + 1;
            let begun =
                ContextCompacting { attempt, context_limit: None, asked_tokens: None, model: None, ..open.begun };
            self.emit(open.turn_id, begun);
        }
    }
}
