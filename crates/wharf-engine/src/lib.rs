//! The engine: carries out what the core decides. One owner task for each live session; every task has an owner.
//!
//! The only crate that puts core, models, tools and store together. Transports and the embedded client call the
//! methods of [`Access`] and nothing else.

mod actor;
mod agents;
mod append;
mod caller;
mod clients;
mod commands;
mod config;
mod cursor;
mod directories;
mod engine;
mod entropy;
mod error;
mod feed;
mod history;
mod instructions;
mod live;
mod mcp;
mod owner;
mod permissions;
mod progress;
mod request;
mod run;
mod seal;
mod session_commands;
mod surroundings;

pub use agents::builtin_agents;
pub use caller::Caller;
pub use clients::Offer;
pub use config::{EngineConfig, InstructionsConfig};
pub use cursor::{AllCursor, Batch, Cursor, Watcher};
pub use engine::{Access, Engine, EventPage, Export, Import, Parts, check_mcp};
pub use error::EngineError;
pub use wharf_core::{Accepted, Recovery};
pub use wharf_store::Position;
pub use wharf_tools::{
    ClientHost, Field, FieldKind, HostError, Offers, Question, Reply, Terminal, TerminalCommand, TerminalExit,
    TerminalOutput,
};
