//! What Wharf's tests and benchmarks stand on: a scripted model server, a scripted MCP server, a byte replayer, a proxy that breaks connections, a small HTTP client with strict
//! readers, workspaces and processes. Never shipped.
//!
//! It links no crate of Wharf: what is tested cannot vouch for itself. Everything listens on loopback only.

#![allow(clippy::disallowed_methods, reason = "it is programs for tests, and what tests own")]

pub mod acp;
pub mod http;
pub mod mcp;
pub mod model;
pub mod ndjson;
pub mod picture;
pub mod process;
pub mod proxy;
pub mod replay;
pub mod sse;
pub mod wait;
pub mod workspace;

pub use http::{Client, Incoming};
pub use model::{Gate, Recorded, Reply, ScriptedModel};
pub use process::{WharfBuilder, WharfProcess};
pub use proxy::{FaultProxy, Faults};
pub use replay::{Chunking, Replayer};
pub use wait::{free_port, wait_until, within};
pub use workspace::Workspace;
