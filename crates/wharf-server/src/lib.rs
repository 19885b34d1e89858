//! HTTP, SSE and WebSocket: commands in, events from seq N out. Authentication, guards, limits, OpenAPI.
//!
//! The only crate that knows HTTP. Every answer comes from an [`wharf_engine::Engine`]; no transport has a private door to it.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs"))]

mod acp;
mod app;
mod assets;
mod auth;
mod budget;
mod catalogue;
mod config;
mod connection;
mod error;
mod escape;
mod extract;
mod front;
mod gate;
mod guard;
mod limit;
mod metrics;
mod openapi;
mod presence;
mod random;
mod route;
mod routes;
mod server;
mod slots;
mod sse;
mod task;
mod terminals;
mod ticket;
pub mod trace;
mod turn_frames;
mod websocket;
mod ws;

pub use auth::{Auth, Key};
pub use config::{ServerConfig, Timeouts};
pub use server::{Server, ServerError};
