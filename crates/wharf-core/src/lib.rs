//! The session state machine: turns, queue, permissions, context budget. Inputs in, events and effects out.
//!
//! No IO, no clock, no randomness: time and entropy are arguments, so a test drives it with a script and simulated time.
//! State changes only by applying an event; a session rebuilt from its log is the session that wrote it.

mod advance;
mod calls;
mod clock;
mod commands;
mod compaction;
mod config;
mod context;
mod core;
mod defect;
mod describe;
mod fit;
mod fork;
mod handle;
mod ids;
mod input;
mod message;
mod model;
mod notes;
mod outcome;
mod permissions;
mod policy;
mod queue;
mod recovery;
mod report;
mod seen;
mod settings;
mod shorten;
mod shown;
mod size;
mod state;
mod summary;
mod title;
mod turn;

#[cfg(test)]
mod tests;

pub use crate::config::{CoreConfig, Recovery, SubjectsOf};
pub use crate::core::Core;
pub use crate::fork::{Fork, Misplaced};
pub use crate::input::{Again, EarlierPrompt, Facts, Input, InstructionFile, NewCommand, NewPrompt, Surroundings};
pub use crate::message::{message_of, told};
pub use crate::outcome::{Accepted, Answer, Effect, Outcome, Rejected};
pub use crate::policy::PathRules;
pub use crate::seen::Bound;
pub use crate::size::schema_tokens;
