//! Commands, from outside the process that runs them.

#![allow(clippy::disallowed_methods, reason = "tests own what they spawn, and are programs")]
#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod supervisor;
