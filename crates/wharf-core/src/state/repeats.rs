//! A model that repeats itself: the same calls with the same results, again and again, also in turns (A B A B). First it is told;
//! then the user is asked; if the user does not let it and it goes on, the turn ends.
//!
//! Counted are replies: all calls of one with their results, in any order. What is counted follows from the log alone.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use wharf_protocol::event::{PermissionResolved, ToolCallComplete};
use wharf_protocol::permission::Resolution;
use wharf_protocol::{CallId, Event, EventBody, ToolRequest};

use super::calls::Proposal;

/// Rounds of equal replies after which the model is told.
const NOTED: usize = 3;

/// After so many the next one is asked for.
const ASKED: usize = 5;

/// The longest round that is noticed, in replies.
const MAX_PERIOD: usize = 4;

/// A call that was asked to wait and did so for half of that time, or for this long, is no repetition, whatever it brought. In
/// milliseconds.
const WAITED_MS: u64 = 1_000;

/// The tool that waits when it is asked to, and the arguments that ask.
const WAITS: (&str, [&str; 3]) = ("command_output", ["wait_ms", "timeout_ms", "timeout"]);

/// One reply: its calls, and its calls with their results. Sums, so that the order does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct ReplyMark {
    calls: u64,
    outcomes: u64,
}

/// The last replies of a turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Repeats {
    /// The newest one is the last.
    past: VecDeque<ReplyMark>,
    now: ReplyMark,
    /// Calls of the current reply without an outcome.
    open: usize,
    /// It waited on purpose, or did not run.
    is_exempt: bool,
    /// The current reply is the next one of the round, once too often.
    is_due: bool,
    /// Calls that were asked for because of that.
    asked: Vec<CallId>,
    /// The calls that the user did not let repeat.
    refused: Option<u64>,
    /// They came again.
    pub(crate) is_stuck: bool,
}

impl Repeats {
    /// The model proposes calls.
    pub(crate) fn proposed(&mut self, calls: &[ToolRequest]) {
        let sum = calls.iter().fold(0_u64, |sum, call| sum.wrapping_add(hash(&call.tool_name, &call.arguments, "")));
        self.now = ReplyMark { calls: sum, outcomes: 0 };
        self.open = calls.len();
        self.is_exempt = false;
        self.is_stuck = self.refused == Some(sum) && !calls.is_empty();
        self.is_due = self.round(ASKED).is_some_and(|period| self.past[self.past.len() - period].calls == sum);
    }

    /// Whether a call has to be asked for: the model was told, and proposes it once more.
    pub(crate) fn is_due(&self, call: &Proposal) -> bool {
        self.is_due && call.turn_id.is_some() && !self.is_stuck
    }

    /// How often the round came, in words for the question.
    pub(crate) fn reason(&self) -> String {
        let period = self.round(ASKED).unwrap_or(1);
        match period {
            1 => format!("repeats: it gave the same result {ASKED} times in a row"),
            period => format!("repeats: {period} calls in turn gave the same results {ASKED} times in a row"),
        }
    }

    pub(crate) fn was_asked(&self, call_id: &CallId) -> bool {
        self.asked.contains(call_id)
    }

    pub(crate) fn asks(&mut self, call_id: &CallId) {
        self.asked.push(call_id.clone());
    }

    pub(crate) fn answered(&mut self, resolved: &PermissionResolved) {
        if !self.was_asked(&resolved.call_id) {
            return;
        }
        match resolved.option {
            // The user wants it: it may be repeated as often again.
            Resolution::AllowOnce | Resolution::AllowAlways => {
                self.past.clear();
                self.is_due = false;
            }
            Resolution::RejectOnce | Resolution::RejectAlways | Resolution::TimedOut => {
                self.refused = Some(self.now.calls);
            }
            Resolution::Cancelled => {}
        }
    }

    /// A call has its outcome; gives what the model should be told, if it should.
    pub(crate) fn ended(&mut self, proposal: &Proposal, event: &Event, result: &str) -> Option<String> {
        self.is_exempt |= waited(proposal, event) || did_not_run(event);
        let outcome = hash(&proposal.tool_name, &proposal.arguments, result);
        self.now.outcomes = self.now.outcomes.wrapping_add(outcome);
        self.open = self.open.saturating_sub(1);
        if self.open > 0 {
            return None;
        }
        self.asked.clear();
        if self.is_exempt {
            if self.refused.is_none() {
                self.past.clear();
            }
            return None;
        }
        if !self.past.contains(&self.now) {
            self.refused = None;
        }
        self.past.push_back(self.now);
        if self.past.len() > MAX_PERIOD * ASKED {
            self.past.pop_front();
        }
        self.round(NOTED).map(|period| {
            let what = if period == 1 { "This call has" } else { "These calls have" };
            format!(
                "[{what} given the same result {} times in a row. Try something else, or say what is missing. To wait for \
                 something that runs in the background, use command_output with wait_ms.]",
                self.rounds(period)
            )
        })
    }

    /// The length of the round that came at least `times` in a row.
    fn round(&self, times: usize) -> Option<usize> {
        (1..=MAX_PERIOD).find(|period| self.rounds(*period) >= times)
    }

    /// How often the last `period` replies came in a row.
    fn rounds(&self, period: usize) -> usize {
        let newest: Vec<&ReplyMark> = self.past.iter().rev().collect();
        let equal = newest.iter().zip(newest.iter().skip(period)).take_while(|(a, b)| a == b).count();
        if newest.len() < period { 0 } else { 1 + equal / period }
    }
}

fn hash(tool_name: &str, arguments: &Value, result: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (tool_name, arguments, result).hash(&mut hasher);
    hasher.finish()
}

fn waited(proposal: &Proposal, event: &Event) -> bool {
    let (tool, names) = WAITS;
    let asked = names.iter().find_map(|name| match proposal.arguments.get(name)? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    });
    let EventBody::ToolCallComplete(ToolCallComplete { duration_ms, .. }) = &event.body else { return false };
    proposal.tool_name == tool
        && asked.is_some_and(|ms: u64| ms > 0 && duration_ms.saturating_mul(2) >= ms.min(2 * WAITED_MS))
}

fn did_not_run(event: &Event) -> bool {
    matches!(&event.body, EventBody::ToolCallError(error) if error.decision.as_ref().is_some_and(|decision| !decision.allowed))
}
