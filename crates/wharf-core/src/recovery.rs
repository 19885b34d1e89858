//! Taking up what a dead owner left.

use wharf_protocol::event::{CallErrorReason, SessionRecovered, TurnResumed};
use wharf_protocol::{CallId, Seq, Timestamp};

use crate::calls::Stage;
use crate::core::Core;
use crate::turn::Ending;
use crate::{Answer, Outcome, Recovery};

/// What the model is told of a call that was cut off and may have had an effect.
const CUT_OFF: &str = "the server stopped while this call ran. It may have run in part or in whole; it was not run again. \
                       Look at what it has done before you repeat it.";

impl Core {
    /// After [`Core::load`], and before anything else: goes on with the open turn or ends it, closes calls that nobody runs,
    /// starts the next prompt. No seq up to `skip_to` is used again: a client may have seen it before a power cut took it.
    pub fn recover(&mut self, now: Timestamp, skip_to: Option<Seq>) -> Outcome {
        self.now = now;
        self.is_taken_up = true;
        if self.deleted {
            return self.outcome(Ok(Answer::Done));
        }
        self.skip(skip_to);
        for call_id in self.open_calls(true) {
            self.close_if_begun(&call_id);
        }
        self.recover_turn();
        self.advance();
        self.outcome(Ok(Answer::Done))
    }

    fn skip(&mut self, skip_to: Option<Seq>) {
        let last = self.session.last_seq;
        let Some(skip_to) = skip_to.filter(|skip_to| *skip_to > last) else { return };
        self.skip_to = Some(skip_to);
        let reason = "the last pieces of text may have been lost in a power cut".to_owned();
        self.emit(None, SessionRecovered { reason, last_seq_on_disk: Some(last) });
    }

    fn recover_turn(&mut self) {
        let Some(turn) = &self.turn else { return };
        if turn.cancel.is_some() {
            return self.stop_work(CallErrorReason::Cancelled, "cancelled");
        }
        let resumes = turn.resumes;
        if self.config.recovery == Recovery::Interrupt || resumes >= self.config.max_resumes {
            return self.give_up(Ending::Interrupted);
        }
        let reason = "the server stopped in the middle of the turn".to_owned();
        self.emit_in_turn(TurnResumed { reason, attempt: resumes + 1 });
        self.cut_reply("interrupted");
        if self.turn_deadline().is_some_and(|deadline| deadline <= self.now) {
            return self.give_up(Ending::TimedOut);
        }
        for call_id in self.open_calls(false) {
            if !self.run_again(&call_id) {
                self.close_if_begun(&call_id);
            }
        }
    }

    fn give_up(&mut self, ending: Ending) {
        for call_id in self.open_calls(false) {
            self.close_if_begun(&call_id);
        }
        self.begin_ending(ending);
    }

    /// Runs a read again that had begun: it changes nothing.
    fn run_again(&mut self, call_id: &CallId) -> bool {
        let Some(call) = self.call(call_id) else { return false };
        let Stage::Begun { read_only: true, .. } = call.stage else { return false };
        let Some(spec) = self.tool(&call.proposal.tool_name) else { return false };
        self.run_call(call_id, &spec);
        true
    }

    fn close_if_begun(&mut self, call_id: &CallId) {
        if self.call(call_id).is_some_and(|call| matches!(call.stage, Stage::Begun { .. })) {
            self.close_call(call_id, CallErrorReason::Interrupted, CUT_OFF);
        }
    }
}
