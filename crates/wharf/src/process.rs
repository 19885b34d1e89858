//! This process: what it was started with, and where. The one place that asks the system for arguments, variables, the program and its
//! directory; everything else is told.

#![expect(clippy::disallowed_methods, reason = "this is the one place")]

mod sealed;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;

pub use sealed::open as seal_environment;

/// The command line, the program's name first.
pub fn arguments() -> env::ArgsOs {
    env::args_os()
}

/// One of the variables that hold no secret: all others are hidden, and handed on by [`seal_environment`].
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Where the program was started.
pub fn directory() -> anyhow::Result<PathBuf> {
    env::current_dir().context("this directory is gone")
}

/// The file that this process executes.
pub fn program() -> anyhow::Result<PathBuf> {
    env::current_exe().context("where this program is")
}
