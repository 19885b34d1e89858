//! The engine with a scripted model and real tools in a temporary workspace.

#![allow(clippy::unwrap_used)]

mod coverage;
#[cfg(target_os = "linux")]
mod crashes;
mod cursors;
mod faults;
mod permissions;
mod sessions;
mod support;
mod turns;
