//! The program below which this crate's tests run commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_exec::supervisor::entry(std::env::args_os()).unwrap_or(ExitCode::FAILURE)
}
