//! The model's window: what is known of it, and requests that fit.

use serde_json::json;
use wharf_protocol::event::{CompactReason, ContextCompacted};
use wharf_protocol::{ApiError, ErrorCode};

use crate::core::Core;
use crate::state::{Counted, SPARE};

/// From this share of the window on, without the reserve for the reply, what is shown is made smaller, in per cent.
const COMPACT_ABOVE: u64 = 80;

/// What compaction tries to reach, in per cent: below the threshold, so that not every step compacts.
const COMPACT_TO: u64 = 60;

/// What is kept free of the window for the reply: this part of it, in per cent, and these many tokens at most.
const RESERVE: u64 = 12;
const RESERVE_MAX_TOKENS: u64 = 8_192;

/// Longest result, in per cent of the window; of a longer one head and tail are shown.
const RESULT_MAX: u64 = 25;

/// So often one model call is made smaller and asked again; then the turn fails.
const MAX_OVERFLOWS: u32 = 4;

/// Windows that a server may name, in tokens; others are misread numbers.
pub(crate) const WINDOWS: std::ops::RangeInclusive<u64> = 256..=100_000_000;

/// What a server said of a request that it refused, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The model's window.
    pub(crate) limit: Option<u64>,
    /// What the request takes.
    pub(crate) asked: Option<u64>,
}

/// What came of the wish for a smaller request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shrunk {
    Smaller,
    /// A summary is asked for first.
    Asking,
    /// There is nothing to leave out.
    Not,
}

impl Core {
    /// The smaller one of what is known beforehand and what the model's server said when it refused a request.
    pub(crate) fn window(&self) -> Option<u64> {
        let told =
            self.told_window.as_ref().filter(|(model, _)| *model == self.session.model).map(|(_, tokens)| *tokens);
        self.context_limit.into_iter().chain(told).min()
    }

    /// What requests may fill of a window: the rest is the reply's.
    pub(crate) fn usable(&self, window: u64) -> u64 {
        window - (window * RESERVE / 100).min(RESERVE_MAX_TOKENS)
    }

    /// What the next request will take, in tokens: what the provider counted of it, and an estimate of what came since.
    pub(crate) fn expected(&self) -> u64 {
        match self.measure.counted {
            Some(Counted { tokens, shown }) => tokens + self.measure.scaled(self.shown.total.saturating_sub(shown)),
            None => self.measure.scaled(self.shown.total) + self.fixed(),
        }
    }

    /// The same after a compaction that is not on the log yet.
    pub(crate) fn expected_after(&self, plan: &ContextCompacted) -> u64 {
        let mut after = self.shown.clone();
        after.compact(plan);
        self.measure.scaled(after.total) + self.fixed()
    }

    /// What is in every request: instructions and tools.
    pub(crate) fn fixed(&self) -> u64 {
        self.measure.scaled(self.instructions_tokens + self.tools_tokens)
    }

    /// Whether the next request would come near the window.
    pub(crate) fn is_near(&self, window: u64) -> bool {
        let used = self.expected().saturating_sub(self.fixed());
        used > self.room(window).0
    }

    /// What the messages may take of a window: from where on they are made fewer, and down to what. Where instructions and
    /// tools leave next to nothing, they get what is left.
    fn room(&self, window: u64) -> (u64, u64) {
        let (usable, fixed) = (self.usable(window), self.fixed());
        let share = |percent: u64| (usable / 100 * percent).saturating_sub(fixed);
        let above = share(COMPACT_ABOVE).max((window / 10).min((window / 100 * 95).saturating_sub(fixed)));
        (above, share(COMPACT_TO).max(above / 4 * 3))
    }

    /// From where on a request is made smaller, as a whole.
    pub(crate) fn compacts_above(&self, window: u64) -> u64 {
        self.room(window).0 + self.fixed()
    }

    /// What the messages are to come down to, as they are estimated.
    pub(crate) fn target(&self, window: u64) -> u64 {
        self.measure.unscaled(self.room(window).1)
    }

    /// Does not depend on what was measured: what was shortened once stays as it is.
    pub(crate) fn result_max_bytes(&self) -> Option<u64> {
        self.window().map(|window| window / 100 * RESULT_MAX * 4 * 1_000 / SPARE)
    }

    /// Before the model is asked: leaves out what would bring the request near the window. False where a summary is asked for first.
    pub(crate) fn make_room(&mut self) -> bool {
        let Some(window) = self.window() else { return true };
        if !self.is_near(window) {
            self.compact(u64::MAX, CompactReason::Window, Refused::default());
            return true;
        }
        self.shrink(self.target(window), CompactReason::Window, Refused::default(), true) != Shrunk::Asking
    }

    /// The model refused the request as too long: leaves out more of it each time. False when it cannot be asked again. A turn that does
    /// not go on (`is_fresh` is false) waits for no summary.
    pub(crate) fn make_smaller(&mut self, limit: Option<u64>, asked: Option<u64>, is_fresh: bool) -> bool {
        let Some(turn) = &self.turn else { return false };
        let overflows = turn.overflows;
        let limit = limit.filter(|limit| WINDOWS.contains(limit));
        let refused = Refused { limit, asked };
        // What was counted was wrong, or of another request. It is forgotten with the event that says what follows from it.
        let before = self.measure;
        self.measure.counted = None;
        if let Some(asked) = asked {
            self.measure.take(asked, self.estimated());
        }
        let now = self.shown.total;
        // What the numbers say is tried once; a server that refuses that too, or names none, gets half, and at last the least.
        let guess = match overflows {
            0 if limit.is_some() && asked.is_some() => now / 4 * 3,
            0 | 1 => now / 2,
            2 => now / 4,
            _ => 0,
        };
        let window = limit.into_iter().chain(self.window()).min();
        let target = window.map_or(guess, |window| self.target(window).min(guess));
        let may_ask = is_fresh && overflows == 0 && window.is_some();
        let shrunk = self.shrink(target, CompactReason::Overflow, refused, may_ask);
        if shrunk == Shrunk::Not {
            self.measure = before;
        }
        shrunk != Shrunk::Not && overflows < MAX_OVERFLOWS
    }

    /// Old results go first; then the model may sum up what is older; at last it is left out without.
    fn shrink(&mut self, target: u64, reason: CompactReason, refused: Refused, may_ask: bool) -> Shrunk {
        if may_ask && let Some(plan) = self.shown.plan_by_trimming(target, self.result_max_bytes()) {
            self.compact_by(plan, reason, refused);
            return Shrunk::Smaller;
        }
        let window = refused.limit.into_iter().chain(self.window()).min().filter(|_| may_ask);
        if let Some(at) = window.and_then(|window| self.worth_a_summary(window)) {
            self.begin_compaction(at, reason, refused, None, None);
            return Shrunk::Asking;
        }
        if self.compact(target, reason, refused) { Shrunk::Smaller } else { Shrunk::Not }
    }

    fn compact(&mut self, target: u64, reason: CompactReason, refused: Refused) -> bool {
        let plan = self.shown.plan(target, self.result_max_bytes());
        plan.is_some_and(|plan| {
            self.compact_by(plan, reason, refused);
            true
        })
    }

    fn compact_by(&mut self, plan: ContextCompacted, reason: CompactReason, refused: Refused) {
        let (tokens_before, tokens_after) = (self.expected(), self.expected_after(&plan));
        let (context_limit, asked_tokens) = (refused.limit, refused.asked);
        let model = context_limit.or(asked_tokens).map(|_| self.session.model.clone());
        let compacted =
            ContextCompacted { tokens_before, tokens_after, reason, context_limit, asked_tokens, model, ..plan };
        self.emit_in_turn(compacted);
    }

    /// Nothing more can be left out, and the request still does not fit.
    pub(crate) fn does_not_fit(&self, said: &str, limit: Option<u64>) -> ApiError {
        let window = limit.filter(|limit| WINDOWS.contains(limit)).into_iter().chain(self.window()).min();
        let (fixed, tools) = (self.fixed(), self.config.tools.len());
        let rest = self.measure.scaled(self.shown.total);
        let model = &self.session.model;
        // As much again for what is shown and the reply.
        let needed = (2 * fixed).next_multiple_of(1_024);
        let size = window.map(|window| format!(" ({window} tokens)")).unwrap_or_default();
        let smaller: Vec<_> =
            self.config.other_agents.iter().filter(|(_, tokens)| *tokens < self.tools_tokens).collect();
        let fits = |tokens: u64| {
            window.is_none_or(|window| self.measure.scaled(self.instructions_tokens + tokens) * 5 / 4 < window)
        };
        let best = smaller.iter().filter(|(_, tokens)| fits(*tokens)).min_by_key(|(_, tokens)| *tokens);
        let way_out = match best.or_else(|| smaller.iter().min_by_key(|(_, tokens)| *tokens)) {
            Some((name, tokens)) => format!(
                ", or an agent with fewer tools: `{name}` needs about {} (`--agent {name}`, `agent_name` over the API)",
                self.measure.scaled(self.instructions_tokens + tokens)
            ),
            None => String::new(),
        };
        let text = format!(
            "the window of {model}{size} is too small: instructions and the schemas of {tools} tools take about {fixed} \
             tokens of each request, what is left of the conversation about {rest}. It should have {needed} or more. Use a \
             model with a larger window, start its server with a larger one{way_out}. MCP servers add tools, too. The model's \
             server said: {said}"
        );
        let details = json!({
            "context_limit": window, "fixed_tokens": fixed, "conversation_tokens": rest, "needed_tokens": needed,
            "tools": tools, "smaller_agents": smaller.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        });
        ApiError::new(ErrorCode::ContextOverflow, text).with_details(details)
    }
}
