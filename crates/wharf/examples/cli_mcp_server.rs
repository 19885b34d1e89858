//! The scripted MCP server, as a program that this crate's tests start.

#![allow(clippy::disallowed_methods, reason = "it is a program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    wharf_testkit::mcp::serve(std::env::args().skip(1))
}
