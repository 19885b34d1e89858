//! Logs go to standard error, and never stop the process when that is gone.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, fmt, reload};

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

/// What is logged, to be changed while the process runs.
#[derive(Clone)]
pub struct LogLevel {
    verbose: u8,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogLevel {
    /// Whether these directives of a configuration can be understood.
    pub fn check(&self, directives: &str) -> Result<(), String> {
        filter(directives, self.verbose).map(drop)
    }

    pub fn set(&self, directives: &str) -> Result<(), String> {
        self.filter.reload(filter(directives, self.verbose)?).map_err(|error| error.to_string())
    }
}

/// `directives` from the configuration, more with each `--verbose`.
fn filter(directives: &str, verbose: u8) -> Result<EnvFilter, String> {
    let directives = match verbose {
        0 => directives,
        1 => "info",
        2 => {
            "info,wharf=debug,wharf_engine=debug,wharf_server=debug,wharf_client=debug,wharf_models=debug,wharf_tools=debug,wharf_store=debug"
        }
        _ => "debug",
    };
    EnvFilter::try_new(directives).map_err(|error| error.to_string())
}

/// Starts logging.
pub fn start(directives: &str, verbose: u8) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(filter(directives, verbose)?);
    let colours = io::stderr().is_terminal() && Style::for_stderr().is_coloured();
    let layer =
        fmt::layer().with_writer(|| Stderr).with_ansi(colours).with_target(verbose > 0).log_internal_errors(false);
    // Only a second start in one process could fail.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Ok(LogLevel { verbose, filter: handle })
}
