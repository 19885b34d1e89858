//! The parts of a session's state: what each knows, and how an event changes it. None of them decides anything.

mod calls;
mod commands;
mod compaction;
mod measure;
mod permissions;
mod prompts;
mod repeats;
mod reply;
mod titling;
mod touched;
mod turn;

pub(crate) use calls::{
    Asked, Call, CallEnd, CallStage, Looking, OutputTail, Proposal, Refusal, RunningCall, not_an_object,
};
pub(crate) use commands::Commands;
pub(crate) use compaction::{Compaction, Form, SummaryStage};
pub(crate) use measure::{Counted, Measure, SPARE};
pub(crate) use permissions::Permissions;
pub(crate) use prompts::{Place, Prompts, WaitingPrompt};
pub(crate) use reply::{ModelState, OpenReply};
pub(crate) use titling::Titling;
pub(crate) use touched::Touched;
pub(crate) use turn::{CancelRequest, Ending, Next, OpenTurn};
