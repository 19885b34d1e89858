//! One turn: from the start of a prompt's execution to the point where the agent waits for the user again.

use wharf_failpoints::mistake;
use wharf_protocol::event::{
    AgentIdle, CallErrorReason, PromptStarted, SessionStatusChanged, TurnCancelRequested, TurnCancelled, TurnCompleted,
    TurnFailed, TurnStarted,
};
use wharf_protocol::{ApiError, Cost, ErrorCode, MessageId, SessionStatus, StopReason, Timestamp, TurnId, Usage};

use crate::core::Core;
use crate::model::{ModelState, OpenReply};
use crate::repeats::Repeats;
use crate::{Answer, Rejected};

/// The turn that runs.
#[derive(Debug)]
pub(crate) struct OpenTurn {
    pub(crate) turn_id: TurnId,
    pub(crate) agent_name: String,
    /// The prompt that it answers, and those that joined it.
    pub(crate) prompts: Vec<MessageId>,
    pub(crate) next: Next,
    /// Model calls that gave a reply.
    pub(crate) steps: u32,
    /// Repetitions of the current model call.
    pub(crate) attempt: u32,
    pub(crate) resumes: u32,
    pub(crate) usage: Usage,
    pub(crate) cost: Cost,
    /// The last text that the agent said.
    pub(crate) response: String,
    /// What the model is saying.
    pub(crate) reply: Option<OpenReply>,
    pub(crate) cancel: Option<CancelRequest>,
    pub(crate) time: TurnTime,
    pub(crate) repeats: Repeats,
    /// So often the current model call was refused as too long.
    pub(crate) overflows: u32,
    /// So many replies in a row could not be used.
    pub(crate) defects: u32,
    /// A summary was asked for since the last reply.
    pub(crate) is_summed_up: bool,
    /// So many summaries in a row came to nothing.
    pub(crate) failed_summaries: u32,

    // What follows is this process's alone and not on the log.
    pub(crate) model: ModelState,
    /// The turn ends as soon as its calls have stopped.
    pub(crate) ending: Option<Ending>,
    /// The beginning of a reply that may be a tool call in the text; not shown.
    pub(crate) held: String,
}

/// What the turn does when nothing of it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    AskModel,
    /// The model has said its last word.
    Finish(StopReason),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CancelRequest {
    pub(crate) by: Option<String>,
}

/// Why a turn ends that nobody cancelled and that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    TimedOut,
    Interrupted,
    /// The session is a copy, which ends in the middle of the turn.
    Copied,
}

/// A turn's time. Waiting for permissions does not count, nor does the time between two servers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TurnTime {
    pub(crate) started_at: Timestamp,
    pub(crate) uncounted_ms: u64,
    pub(crate) waiting_since: Option<Timestamp>,
    /// Of the last event that is not a chunk: the turn was alive then.
    pub(crate) last_event_at: Timestamp,
}

impl TurnTime {
    pub(crate) fn start(at: Timestamp) -> Self {
        Self { started_at: at, uncounted_ms: 0, waiting_since: None, last_event_at: at }
    }

    pub(crate) fn wait(&mut self, at: Timestamp) {
        self.waiting_since.get_or_insert(at);
    }

    pub(crate) fn go_on(&mut self, at: Timestamp) {
        if let Some(since) = self.waiting_since.take() {
            self.uncounted_ms = self.uncounted_ms.saturating_add(at.ms_since(since));
        }
    }

    /// Another server took the turn up.
    pub(crate) fn resume(&mut self, at: Timestamp) {
        if self.waiting_since.is_none() {
            self.uncounted_ms = self.uncounted_ms.saturating_add(at.ms_since(self.last_event_at));
        }
    }

    /// When the time is up; `None` while it stands still.
    pub(crate) fn deadline(&self, max_turn_ms: u64) -> Option<Timestamp> {
        let counted = max_turn_ms.saturating_add(self.uncounted_ms);
        self.waiting_since.is_none().then(|| self.started_at.after_ms(counted))
    }
}

impl OpenTurn {
    pub(crate) fn new(turn_id: TurnId, started: &TurnStarted, at: Timestamp) -> Self {
        Self {
            turn_id,
            agent_name: started.agent_name.clone(),
            prompts: vec![started.message_id.clone()],
            next: Next::AskModel,
            steps: 0,
            attempt: 0,
            resumes: 0,
            usage: Usage::default(),
            cost: Cost::default(),
            response: String::new(),
            reply: None,
            cancel: None,
            time: TurnTime::start(at),
            repeats: Repeats::default(),
            overflows: 0,
            defects: 0,
            is_summed_up: false,
            failed_summaries: 0,
            model: ModelState::Idle,
            ending: None,
            held: String::new(),
        }
    }

    /// Nothing new may start in it.
    pub(crate) fn is_ending(&self) -> bool {
        self.cancel.is_some() || self.ending.is_some()
    }
}

/// How a turn ends.
enum TurnEnd {
    Completed(StopReason),
    Cancelled { by: Option<String> },
    Failed(StopReason, ApiError),
}

impl Core {
    /// Does everything that can be done now. What it finds to do follows from the state alone, so that it takes up a
    /// session from its log as well as it goes on after an input.
    pub(crate) fn advance(&mut self) {
        if self.deleted || !self.is_taken_up {
            return;
        }
        self.advance_direct_calls();
        loop {
            let Some(turn) = &self.turn else {
                if self.compaction.is_some() {
                    self.go_on_compacting();
                    if self.compaction.is_some() {
                        break;
                    }
                }
                if self.start_next() {
                    continue;
                }
                break;
            };
            if turn.is_ending() {
                if self.has_turn_calls() {
                    break;
                }
                self.finish_ending();
            } else if self.has_turn_calls() {
                self.advance_turn_calls();
                if self.has_turn_calls() {
                    break;
                }
            } else if self.compaction.is_some() {
                self.go_on_compacting();
                if self.compaction.is_some() {
                    break;
                }
            } else if turn.model == ModelState::Idle {
                self.step();
            } else {
                break;
            }
        }
        self.show_status();
        self.finish_deleting();
    }

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
        let started = TurnStarted {
            message_id: message_id.clone(),
            model: self.session.model.clone(),
            agent_name: self.session.agent_name.clone(),
        };
        self.emit(Some(turn_id.clone()), PromptStarted { message_id, steered: false });
        self.emit(Some(turn_id), started);
        self.show_status();
        true
    }

    /// Between two model calls: ends the turn, or asks the model again.
    fn step(&mut self) {
        let Some(turn) = &self.turn else { return };
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
        let (response, usage) = (turn.response.clone(), turn.usage);
        let duration_ms = self.now.ms_since(turn.time.started_at);
        let again = mistake("overwrite_terminal").then(|| turn.turn_id.clone());
        let status = match end {
            TurnEnd::Completed(stop_reason) => {
                self.emit_in_turn(TurnCompleted { stop_reason, response, usage, duration_ms });
                SessionStatus::Idle
            }
            TurnEnd::Cancelled { by } => {
                let stop_reason = StopReason::Cancelled;
                self.emit_in_turn(TurnCancelled { stop_reason, response, usage, duration_ms, by });
                SessionStatus::Cancelled
            }
            TurnEnd::Failed(stop_reason, error) => {
                self.emit_in_turn(TurnFailed { stop_reason, error, response, usage, duration_ms });
                SessionStatus::Error
            }
        };
        if again.is_some() {
            let error = ApiError::new(ErrorCode::Unavailable, "ended twice");
            let response = String::new();
            self.emit(again, TurnFailed { stop_reason: StopReason::Error, error, response, usage, duration_ms });
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
