//! The turn that runs: what it answers, how far it has come, its time.

use wharf_protocol::event::TurnStarted;
use wharf_protocol::{Cost, MessageId, StopReason, Timestamp, TurnId, Usage};

use super::repeats::Repeats;
use super::reply::{ModelState, OpenReply};

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
    /// So many replies in a row were cut off in their calls.
    pub(crate) cut_offs: u32,
    /// The last reply was refused, without a word.
    pub(crate) is_refused: bool,
    /// A summary was asked for since the last reply.
    pub(crate) is_summed_up: bool,
    /// So many summaries in a row failed.
    pub(crate) failed_summaries: u32,
    /// So often the model was told of its workspace.
    pub(crate) notes: u32,

    // What follows is this process's alone and not on the log.
    pub(crate) model: ModelState,
    /// The turn ends as soon as its calls have stopped.
    pub(crate) ending: Option<Ending>,
    /// The beginning of a reply that may be a tool call in the text; not shown.
    pub(crate) held: String,
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
            cut_offs: 0,
            is_refused: false,
            is_summed_up: false,
            failed_summaries: 0,
            notes: 0,
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
