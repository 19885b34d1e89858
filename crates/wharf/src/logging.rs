//! Logs go to standard error, and never stop the process when that is gone.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::terminal::Style;

/// Standard error; a failure to write is swallowed.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The terminal may be closed while the server goes on.
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging: `directives` from the configuration, more with each `--verbose`.
pub fn start(directives: &str, verbose: u8) -> Result<(), String> {
    let directives = match verbose {
        0 => directives,
        1 => "info",
        2 => {
            "info,wharf=debug,wharf_engine=debug,wharf_server=debug,wharf_client=debug,wharf_models=debug,wharf_tools=debug,wharf_store=debug"
        }
        _ => "debug",
    };
    let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
    let colours = io::stderr().is_terminal() && Style::for_stderr().is_coloured();
    let layer =
        fmt::layer().with_writer(|| Stderr).with_ansi(colours).with_target(verbose > 0).log_internal_errors(false);
    // Only a second start in one process could fail.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Ok(())
}
