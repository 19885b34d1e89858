//! One turn: from the start of a prompt's execution to the point where the agent waits for the user again.

use wharf_failpoints::mistake;
use wharf_protocol::event::{
    AgentIdle, CallErrorReason, PromptStarted, SessionStatusChanged, TurnCancelRequested, TurnCancelled, TurnCompleted,
    TurnFailed, TurnStarted,
};
use wharf_protocol::{ApiError, ErrorCode, SessionStatus, StopReason, TurnId};

use crate::core::Core;
use crate::defect;
use crate::outcome::{Answer, Rejected};
use crate::state::{Ending, Next};

/// How a turn ends.
enum TurnEnd {
    Completed(StopReason),
    Cancelled { by: Option<String> },
    Failed(StopReason, ApiError),
}

impl Core {
    /// Starts the turn of the next prompt, unless there is none or the server is stopping.
    pub(crate) fn start_next(&mut self) -> bool {
        if !self.starts_turns() {
            return false;
        }
        if self.prompts.next().is_none() {
            return false;
        }
        self.take_config();
        let Some(prompt) = self.prompts.next() else { return false };
        let (turn_id, message_id) = (prompt.turn_id.clone(), prompt.message_id.clone());
        let content = prompt.content.clone();
        let started = TurnStarted {
            message_id: message_id.clone(),
            model: self.session.model.clone(),
            agent_name: self.session.agent_name.clone(),
        };
        self.emit(Some(turn_id.clone()), PromptStarted { message_id, steered: false });
        self.emit(Some(turn_id), started);
        self.may_title(&content);
        self.show_status();
        true
    }

    /// Between two model calls: ends the turn, or asks the model again.
    pub(crate) fn step(&mut self) {
        let Some(turn) = &self.turn else { return };
        if turn.is_refused {
            return self.fail_turn(StopReason::Refusal, defect::refused(&self.session.model));
        }
        let limit = self.limit();
        if let Next::Finish(stop_reason) = turn.next
            && (limit.is_some() || self.prompts.steers().is_empty())
        {
            return self.end_turn(TurnEnd::Completed(stop_reason));
        }
        match limit {
            Some(end) => self.end_turn(end),
            None => {
                self.join_steers();
                self.call_model();
            }
        }
    }

    /// Why the turn may not ask the model again.
    fn limit(&self) -> Option<TurnEnd> {
        let turn = self.turn.as_ref()?;
        let config = &self.config;
        if turn.repeats.is_stuck {
            let error = ApiError::new(
                ErrorCode::ModelRepeats,
                "the model repeats the same calls with the same results: it was told, nobody let it go on, and it tried \
                 once more. Say in a new prompt what it should do instead, or use another model.",
            );
            return Some(TurnEnd::Failed(StopReason::Error, error));
        }
        if turn.cut_offs > 1 {
            return Some(TurnEnd::Failed(StopReason::MaxTokens, defect::cut_off()));
        }
        if config.max_turn_tokens.is_some_and(|max| turn.usage.total_tokens >= max) {
            return Some(TurnEnd::Completed(StopReason::MaxTokens));
        }
        (turn.steps >= config.max_steps).then_some(TurnEnd::Completed(StopReason::MaxTurnRequests))
    }

    pub(crate) fn fail_turn(&mut self, stop_reason: StopReason, error: ApiError) {
        self.end_turn(TurnEnd::Failed(stop_reason, error));
    }

    /// The one way in which a turn ends. Prompts that were to join it and did not are withdrawn: their ids name this turn, so
    /// they cannot have one of their own.
    fn end_turn(&mut self, end: TurnEnd) {
        for message_id in self.prompts.steers() {
            self.withdraw_prompt(message_id, "the turn that it was to join ended first", None);
        }
        let Some(turn) = &self.turn else { return };
        let (response, usage, cost) = (turn.response.clone(), turn.usage, Some(turn.cost));
        let told = response.clone();
        let duration_ms = self.now.ms_since(turn.time.started_at);
        let again = mistake("overwrite_terminal").then(|| turn.turn_id.clone());
        let status = match end {
            TurnEnd::Completed(stop_reason) => {
                self.emit_in_turn(TurnCompleted { stop_reason, response, usage, cost, duration_ms });
                SessionStatus::Idle
            }
            TurnEnd::Cancelled { by } => {
                let stop_reason = StopReason::Cancelled;
                self.emit_in_turn(TurnCancelled { stop_reason, response, usage, cost, duration_ms, by });
                SessionStatus::Cancelled
            }
            TurnEnd::Failed(stop_reason, error) => {
                self.emit_in_turn(TurnFailed { stop_reason, error, response, usage, cost, duration_ms });
                SessionStatus::Error
            }
        };
        if again.is_some() {
            let error = ApiError::new(ErrorCode::Unavailable, "ended twice");
            let response = String::new();
            self.emit(again, TurnFailed { stop_reason: StopReason::Error, error, response, usage, cost, duration_ms });
        }
        if status == SessionStatus::Idle && self.titling.is_some() {
            self.ask_for_title(&told);
        }
        if !self.start_next() {
            self.set_status(status);
            if self.prompts.is_empty() {
                self.emit(None, AgentIdle {});
            }
        }
    }

    pub(crate) fn finish_ending(&mut self) {
        let Some(turn) = &self.turn else { return };
        if let Some(cancel) = &turn.cancel {
            let by = cancel.by.clone();
            return self.end_turn(TurnEnd::Cancelled { by });
        }
        match turn.ending {
            Some(Ending::TimedOut) => {
                let limit_ms = self.config.max_turn_ms;
                let error = ApiError::new(ErrorCode::Timeout, format!("the turn took longer than {limit_ms} ms"));
                self.fail_turn(StopReason::TimedOut, error);
            }
            Some(Ending::Interrupted) => {
                let error = ApiError::new(
                    ErrorCode::Unavailable,
                    "the server stopped in the middle of the turn, which was not taken up again",
                );
                self.fail_turn(StopReason::Interrupted, error);
            }
            Some(Ending::Copied) => {
                let error = ApiError::new(
                    ErrorCode::Unavailable,
                    "the session was copied in the middle of the turn, which does not go on in the copy",
                );
                self.fail_turn(StopReason::Interrupted, error);
            }
            None => {}
        }
    }

    /// The turn's time is up, or it is not taken up again.
    pub(crate) fn begin_ending(&mut self, ending: Ending) {
        let Some(turn) = &mut self.turn else { return };
        turn.ending = Some(ending);
        match ending {
            Ending::TimedOut => self.stop_work(CallErrorReason::TimedOut, "the turn's time was up"),
            Ending::Interrupted | Ending::Copied => self.stop_work(CallErrorReason::Interrupted, "interrupted"),
        }
    }

    /// Stops the model and the turn's calls. Calls that run are stopped by the engine and report; the rest ends here.
    pub(crate) fn stop_work(&mut self, reason: CallErrorReason, told: &str) {
        self.stop_model();
        self.stop_compaction(told);
        self.cut_reply(told);
        self.stop_calls(false, reason, told);
    }

    pub(crate) fn cancel(
        &mut self,
        by: Option<String>,
        force: bool,
        clear_queue: bool,
        turn_id: Option<TurnId>,
    ) -> Result<Answer, Rejected> {
        let running = self.turn_id();
        if let Some(wanted) = turn_id.filter(|wanted| running.as_ref() != Some(wanted)) {
            self.withdraw_turn(&wanted, by)?;
            return Ok(Answer::Cancelled(Some(wanted)));
        }
        self.cancel_turn(by.clone(), force);
        // What is left is one that somebody asked for.
        self.stop_compaction("cancelled");
        if force || clear_queue {
            self.withdraw_all("the queue was cleared", by.as_ref());
        }
        if force {
            self.stop_calls(true, CallErrorReason::Cancelled, "cancelled");
        }
        Ok(Answer::Cancelled(running))
    }

    /// Cancels the running turn, if there is one and it is not being cancelled already.
    pub(crate) fn cancel_turn(&mut self, by: Option<String>, force: bool) {
        if self.turn.as_ref().is_some_and(|turn| turn.cancel.is_none()) {
            self.emit_in_turn(TurnCancelRequested { by, force });
            self.stop_work(CallErrorReason::Cancelled, "cancelled");
        }
    }

    /// While a turn runs the session is busy, or waits for a permission of it.
    pub(crate) fn show_status(&mut self) {
        let Some(turn) = &self.turn else {
            if self.compaction.is_some() {
                self.set_status(SessionStatus::Busy);
            }
            return;
        };
        let waits = self.permissions.any_of(&turn.turn_id);
        self.set_status(if waits { SessionStatus::Waiting } else { SessionStatus::Busy });
    }

    pub(crate) fn set_status(&mut self, status: SessionStatus) {
        let previous = self.session.status;
        if previous != status {
            self.emit_in_turn(SessionStatusChanged { status, previous });
        }
    }
}
