//! The Agent Client Protocol: its conformance list, over a WebSocket.

mod cancels;
pub mod client;
mod conversation;
mod editor;
mod envelope;
mod files;
mod own_tools;
mod permissions;
mod questions;
mod reconnect;
mod sessions;
mod terminals;
mod volume;
