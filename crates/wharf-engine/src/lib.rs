//! The engine: carries out what the core decides. One owner task for each live session; every task has an owner.
//!
//! The only crate that puts core, models, tools and store together. Transports and the embedded client call [`Engine`]'s
//! methods and nothing else.

mod actor;
mod agents;
mod clients;
mod commands;
mod config;
mod copy;
mod cursor;
mod engine;
mod error;
mod feed;
mod history;
mod live;
mod mcp;
mod permissions;
mod progress;
mod run;
mod seal;

pub use agents::builtin_agents;
pub use clients::Offer;
pub use config::EngineConfig;
pub use copy::{Export, Import};
pub use cursor::{AllCursor, Batch, Cursor, Watcher};
pub use engine::{Caller, Engine, EventPage, Parts, check_mcp};
pub use error::EngineError;
pub use wharf_core::{Accepted, Recovery};
pub use wharf_store::Position;
pub use wharf_tools::{
    ClientHost, Field, FieldKind, HostError, Offers, Question, Reply, Terminal, TerminalCommand, TerminalExit,
    TerminalOutput,
};
