//! The engine with a scripted model and real tools in a temporary workspace.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]

#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod coverage;
#[cfg(target_os = "linux")]
mod crashes;
mod cursors;
mod directories;
mod faults;
mod forks;
mod permissions;
mod sealing;
mod sessions;
mod support;
mod surroundings;
mod titles;
mod turns;
