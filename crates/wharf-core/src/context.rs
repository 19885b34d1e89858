//! The model's window: what is known of it, and requests that fit.

use serde_json::json;
use wharf_protocol::event::{CompactReason, ContextCompacted};
use wharf_protocol::{ApiError, ErrorCode};

use crate::core::Core;
use crate::shown::INSTRUCTIONS_TOKENS;

/// From this share of the window on, old results are left out of requests, in per cent. The rest is the reply's, and the error's
/// of the estimate.
const COMPACT_ABOVE: u64 = 80;

/// What compaction tries to reach, in per cent: below the threshold, so that not every step compacts.
const COMPACT_TO: u64 = 60;

/// Longest result, in per cent of the window; of a longer one head and tail are shown.
const RESULT_MAX: u64 = 25;

/// How much more than estimated a request is taken to be at least, in per mille; more once the provider has counted more.
/// Not less, so that a restart does not change what fits.
pub(crate) const UNMEASURED: u64 = 1_150;

/// A provider that counts more than this is not believed: hidden text is not the session's.
const MEASURED_MAX: u64 = 4_000;

/// So often one model call is made smaller and asked again; then the turn fails.
const MAX_OVERFLOWS: u32 = 4;

/// Windows that a server may name, in tokens; others are misread numbers.
const WINDOWS: std::ops::RangeInclusive<u64> = 256..=100_000_000;

impl Core {
    /// The smaller one of what is known beforehand and what the model's server said when it refused a request.
    pub(crate) fn window(&self) -> Option<u64> {
        let told =
            self.told_window.as_ref().filter(|(model, _)| *model == self.session.model).map(|(_, tokens)| *tokens);
        self.context_limit.into_iter().chain(told).min()
    }

    /// What the next request will take, in tokens.
    pub(crate) fn expected(&self) -> u64 {
        self.scaled(self.shown.total) + self.fixed()
    }

    /// What is in every request: instructions and tools.
    fn fixed(&self) -> u64 {
        self.scaled(INSTRUCTIONS_TOKENS + self.tools_tokens)
    }

    fn scaled(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(self.per_mille) / 1_000
    }

    fn unscaled(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(1_000) / self.per_mille.max(1)
    }

    /// The provider has counted a request that was estimated.
    pub(crate) fn measure(&mut self, counted: u64, estimated: u64) {
        if counted > 0 && estimated > 0 {
            self.per_mille = (counted.saturating_mul(1_000) / estimated).clamp(UNMEASURED, MEASURED_MAX);
        }
    }

    /// The same without what is not known of it: for the next measure.
    pub(crate) fn estimated(&self) -> u64 {
        self.shown.total + INSTRUCTIONS_TOKENS + self.tools_tokens
    }

    /// What is shown may take of a window: from where on it is made smaller, and down to what. Where instructions and
    /// tools leave next to nothing, it gets what they leave.
    fn room(&self, window: u64) -> (u64, u64) {
        let fixed = self.fixed();
        let share = |percent: u64| (window / 100 * percent).saturating_sub(fixed);
        let above = share(COMPACT_ABOVE).max((window / 10).min(share(95)));
        (above, share(COMPACT_TO).max(above / 4 * 3))
    }

    /// Does not depend on what was measured: what was shortened once stays as it is.
    fn result_max_bytes(&self) -> Option<u64> {
        self.window().map(|window| window / 100 * RESULT_MAX * 4 * 1_000 / UNMEASURED)
    }

    /// Before the model is asked: leaves out what would bring the request near the window.
    pub(crate) fn make_room(&mut self) {
        let Some(window) = self.window() else { return };
        let (above, to) = self.room(window);
        let is_near = self.scaled(self.shown.total) > above;
        let target = if is_near { self.unscaled(to) } else { u64::MAX };
        self.compact(target, CompactReason::Window, None);
    }

    /// The model refused the request as too long: leaves out more of it each time. False when it cannot be asked again.
    pub(crate) fn make_smaller(&mut self, limit: Option<u64>, asked: Option<u64>) -> bool {
        let Some(turn) = &self.turn else { return false };
        let overflows = turn.overflows;
        let limit = limit.filter(|limit| WINDOWS.contains(limit));
        if let Some(asked) = asked {
            self.measure(asked, self.estimated());
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
        let target = window.map_or(guess, |window| self.unscaled(self.room(window).1).min(guess));
        self.compact(target, CompactReason::Overflow, limit) && overflows < MAX_OVERFLOWS
    }

    fn compact(&mut self, target: u64, reason: CompactReason, context_limit: Option<u64>) -> bool {
        let Some(plan) = self.shown.plan(target, self.result_max_bytes()) else { return false };
        let tokens_before = self.expected();
        let mut after = self.shown.clone();
        after.compact(&plan);
        let model = context_limit.map(|_| self.session.model.clone());
        let tokens_after = self.scaled(after.total) + self.fixed();
        self.emit_in_turn(ContextCompacted { tokens_before, tokens_after, reason, context_limit, model, ..plan });
        true
    }

    /// Nothing more can be left out, and the request still does not fit.
    pub(crate) fn does_not_fit(&self, said: &str, limit: Option<u64>) -> ApiError {
        let window = limit.filter(|limit| WINDOWS.contains(limit)).into_iter().chain(self.window()).min();
        let (fixed, tools) = (self.fixed(), self.config.tools.len());
        let rest = self.scaled(self.shown.total);
        let model = &self.session.model;
        // As much again for what is shown and the reply.
        let needed = (2 * fixed).next_multiple_of(1_024);
        let size = window.map(|window| format!(" ({window} tokens)")).unwrap_or_default();
        let smaller: Vec<_> =
            self.config.other_agents.iter().filter(|(_, tokens)| *tokens < self.tools_tokens).collect();
        let fits = |tokens: u64| window.is_none_or(|window| self.scaled(INSTRUCTIONS_TOKENS + tokens) * 5 / 4 < window);
        let best = smaller.iter().filter(|(_, tokens)| fits(*tokens)).min_by_key(|(_, tokens)| *tokens);
        let way_out = match best.or_else(|| smaller.iter().min_by_key(|(_, tokens)| *tokens)) {
            Some((name, tokens)) => format!(
                ", or an agent with fewer tools: `{name}` needs about {} (`--agent {name}`, `agent_name` over the API)",
                self.scaled(INSTRUCTIONS_TOKENS + tokens)
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
