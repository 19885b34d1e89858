//! The routes, one file for each part of the address space.

mod commands;
mod copies;
mod events;
mod mcp;
mod permissions;
mod prompt;
mod prompt_stream;
mod queue;
mod server;
mod sessions;
mod tools;
