//! The engine with a scripted model and real tools in a temporary workspace.

#![allow(clippy::unwrap_used)]

mod coverage;
mod cursors;
mod faults;
mod permissions;
mod sessions;
mod support;
mod turns;
