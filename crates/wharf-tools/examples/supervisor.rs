//! The program below which this crate's tests run commands.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_exec::supervisor::entry(std::env::args_os()).unwrap_or(ExitCode::FAILURE)
}
