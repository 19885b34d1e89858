//! MCP: servers that bring tools of their own, as programs on pipes or over HTTP.
//!
//! ```text
//! McpSet (a live session's) ── Handle ── one task a server: connect, list, call, start again ── transport
//! ```
//!
//! A server that is configured alike for the same directory is shared, and stopped when its last session leaves the memory.
//! Everything that a server says is foreign: it is bounded, and its control characters are made visible.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

mod catalogue;
mod config;
mod event_stream;
mod ground;
mod http;
mod legacy;
mod life;
mod link;
mod message;
mod pool;
mod server;
mod set;
mod stdio;
mod tool;

pub use catalogue::Catalogue;
pub use config::{BadServer, check};
pub use pool::{Mcp, McpConfig};
pub use set::{McpSet, Remembered};

/// The versions of the protocol that are spoken here, newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Longest message of a server. A server that sends a longer one is started again.
const MESSAGE_MAX_BYTES: usize = 16 << 20;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
