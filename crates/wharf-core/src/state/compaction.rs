//! The compaction that is going on: what it is to leave out, and how far the request for its summary has come.

use wharf_protocol::event::ContextCompacting;
use wharf_protocol::{Event, Timestamp, TurnId};

/// The compaction that is going on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compaction {
    pub(crate) begun: ContextCompacting,
    pub(crate) turn_id: Option<TurnId>,
    pub(crate) at: Timestamp,

    // What follows is this process's alone and not on the log.
    pub(crate) stage: SummaryStage,
    pub(crate) form: Form,
    /// Repetitions of the model call.
    pub(crate) repeated: u32,
}

impl Compaction {
    pub(crate) fn begun(event: &Event, begun: &ContextCompacting) -> Self {
        Self {
            begun: begun.clone(),
            turn_id: event.turn_id.clone(),
            at: event.timestamp,
            stage: SummaryStage::Idle,
            form: Form::Prefix,
            repeated: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SummaryStage {
    #[default]
    Idle,
    Asked {
        ask: u64,
    },
    Waiting {
        until: Timestamp,
    },
}

/// How the model is shown what it is to sum up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As its own conversation: the beginning of the request before.
    Prefix,
    /// As a text.
    Quoted,
}
