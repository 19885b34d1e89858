//! The scripted MCP server, as a program that this crate's tests start, and the supervisor below which it runs.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = wharf_exec::supervisor::entry(std::env::args_os()) {
        return code;
    }
    wharf_testkit::mcp::serve(std::env::args().skip(1))
}
