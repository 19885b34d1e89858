//! Taking up what a dead owner left.

use std::collections::BTreeMap;

use wharf_failpoints::mistake;
use wharf_protocol::event::{CallErrorReason, SessionRecovered, ToolCallResumed, TurnResumed};
use wharf_protocol::{CallId, CallOutcome, RecordedCall, RecoveryPolicy, Seq, Timestamp};

use crate::config::Recovery;
use crate::core::Core;
use crate::outcome::{Answer, Outcome};
use crate::state::{Call, CallEnd, CallStage, Ending, Proposal};

/// What the model is told of a read that was cut off twice.
const CUT_OFF_TWICE: &str = "the server stopped while this call ran, and again when it ran once more; it is not run a third \
                             time. It may be what the server died of: read less at once, or something else.";

/// What the model is told of a call that was cut off and may have had an effect.
const CUT_OFF: &str = "the server stopped while this call ran. It may have run in part or in whole; it was not run again. \
                       Look at what it has done before you repeat it.";

impl Core {
    /// After [`Core::load`], and before anything else: goes on with the open turn or ends it, closes calls that nobody runs,
    /// starts the next prompt. No seq up to `skip_to` is used again: a client may have seen it before a power cut took it.
    /// `recorded` says what is known of [`Core::begun_calls`] beyond the log.
    pub fn recover(
        &mut self,
        now: Timestamp,
        skip_to: Option<Seq>,
        mut recorded: BTreeMap<CallId, RecordedCall>,
    ) -> Outcome {
        self.now = now;
        self.is_taken_up = true;
        if self.deleted {
            return self.outcome(Ok(Answer::Done));
        }
        self.skip(skip_to);
        for call_id in self.begun_calls() {
            if let Some(outcome) = recorded.get_mut(&call_id).and_then(|call| call.outcome.take()) {
                let duration_ms = recorded.get(&call_id).map_or(0, |call| call.duration_ms);
                self.close_with(&call_id, outcome, duration_ms);
            }
        }
        for call_id in self.open_calls(true) {
            self.close_if_begun(&call_id, &recorded);
        }
        self.recover_turn(&recorded);
        self.recover_compaction();
        self.advance();
        self.outcome(Ok(Answer::Done))
    }

    /// The calls without an outcome that a dead owner had begun, and that may have had an effect.
    #[must_use]
    pub fn begun_calls(&self) -> Vec<CallId> {
        let begun = self.calls.iter().filter(|call| matches!(call.stage, CallStage::Begun { read_only: false, .. }));
        begun.map(|call| call.proposal.call_id.clone()).collect()
    }

    fn skip(&mut self, skip_to: Option<Seq>) {
        let last = self.session.last_seq;
        let Some(skip_to) = skip_to.filter(|skip_to| *skip_to > last) else { return };
        self.skip_to = Some(skip_to);
        let reason = "what was written last may have been lost, in a power cut or with the store's log".to_owned();
        self.emit(None, SessionRecovered { reason, last_seq_on_disk: Some(last) });
    }

    fn recover_turn(&mut self, recorded: &BTreeMap<CallId, RecordedCall>) {
        let Some(turn) = &self.turn else { return };
        if turn.cancel.is_some() {
            return self.stop_work(CallErrorReason::Cancelled, "cancelled");
        }
        let resumes = turn.resumes;
        let policy = match self.session.recovery {
            RecoveryPolicy::Server => self.config.recovery,
            RecoveryPolicy::Continue => Recovery::Continue,
            RecoveryPolicy::Interrupt => Recovery::Interrupt,
        };
        if policy == Recovery::Interrupt || resumes >= self.config.max_resumes {
            return self.give_up(Ending::Interrupted, recorded);
        }
        let reason = "the server stopped in the middle of the turn".to_owned();
        self.emit_in_turn(TurnResumed { reason, attempt: resumes + 1 });
        self.cut_reply("interrupted");
        if self.turn_deadline().is_some_and(|deadline| deadline <= self.now) {
            return self.give_up(Ending::TimedOut, recorded);
        }
        for call_id in self.open_calls(false) {
            // `advance` runs it again.
            if !self.call(&call_id).is_some_and(|call| self.is_left(call)) {
                self.close_if_begun(&call_id, recorded);
            }
        }
    }

    fn give_up(&mut self, ending: Ending, recorded: &BTreeMap<CallId, RecordedCall>) {
        for call_id in self.open_calls(false) {
            self.close_if_begun(&call_id, recorded);
        }
        self.begin_ending(ending);
    }

    /// A read that had begun when its owner died, for the first time: it changes nothing, so it may run once more. At the second
    /// death it is what the process dies of, as far as we know.
    fn is_left(&self, call: &Call) -> bool {
        let CallStage::Begun { read_only, attempt, .. } = call.stage else { return false };
        let may_run = read_only || mistake("rerun_begun_call");
        may_run && attempt == 1 && call.running.is_none() && self.tool(&call.proposal.tool_name).is_some()
    }

    /// Runs what a dead owner left, one call at a time and nothing of the turn beside it. Which one runs is on the log before
    /// it does. True while there is such a call.
    pub(crate) fn advance_left_calls(&mut self) -> bool {
        let of_turn = |call: &&Call| call.proposal.turn_id.is_some();
        let runs_again = |call: &Call| matches!(call.stage, CallStage::Begun { attempt: 2.., .. });
        if self.calls.iter().filter(of_turn).any(runs_again) {
            return true;
        }
        let left = self.calls.iter().filter(of_turn).find(|call| self.is_left(call));
        let Some(Proposal { call_id, tool_name, .. }) = left.map(|call| call.proposal.clone()) else { return false };
        let Some(spec) = self.tool(&tool_name) else { return false };
        self.emit_in_turn(ToolCallResumed { call_id: call_id.clone(), tool_name, attempt: 2 });
        self.run_call(&call_id, &spec);
        true
    }

    /// The outcome that the log would have, had its owner lived a moment longer.
    fn close_with(&mut self, call_id: &CallId, outcome: CallOutcome, duration_ms: u64) {
        let Some(proposal) = self.call(call_id).map(|call| call.proposal.clone()) else { return };
        match outcome {
            Ok(output) => self.complete_call(&proposal, duration_ms, output),
            Err(error) => self.end_call(&proposal, duration_ms, error.into()),
        }
    }

    fn close_if_begun(&mut self, call_id: &CallId, recorded: &BTreeMap<CallId, RecordedCall>) {
        let Some(call) = self.call(call_id).filter(|call| matches!(call.stage, CallStage::Begun { .. })) else {
            return;
        };
        if matches!(call.stage, CallStage::Begun { attempt: 2.., .. }) {
            return self.close_call(call_id, CallErrorReason::Interrupted, CUT_OFF_TWICE);
        }
        let Some(RecordedCall { output, duration_ms, .. }) = recorded.get(call_id) else {
            return self.close_call(call_id, CallErrorReason::Interrupted, CUT_OFF);
        };
        let end = CallEnd { output: output.clone(), ..CallEnd::new(CallErrorReason::Interrupted, CUT_OFF) };
        self.end_call(&call.proposal.clone(), *duration_ms, end);
    }
}
