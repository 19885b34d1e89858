//! Scripts and properties: the core driven with simulated time.

pub(crate) mod bench;
mod calls;
mod cancel;
mod commands;
mod compaction;
mod fork;
mod images;
mod limits;
mod model;
mod notes;
mod permissions;
mod print;
mod prompts;
mod properties;
mod recovery;
mod script;
mod session;
mod shown;
mod titles;
