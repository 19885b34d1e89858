//! The Agent Client Protocol: its conformance list, over a WebSocket.

mod client;
mod conversation;
mod envelope;
mod permissions;
mod reconnect;
mod sessions;
mod volume;
