//! Logs go to standard error, and never stop the process when that is gone.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, fmt, reload};

use crate::journal;
use crate::terminal::Style;

/// Standard error; a failure to write is swallowed.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if journal::is_stderr() {
            return Ok(bytes.len());
        }
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
            "info,wharf=debug,wharf_engine=debug,wharf_server=debug,wharf_client=debug,wharf_models=debug,wharf_tools=debug,wharf_exec=debug,wharf_mcp=debug,wharf_store=debug"
        }
        _ => "debug",
    };
    EnvFilter::try_new(levels(directives)?).map_err(|error| error.to_string())
}

/// The directives with every level checked and spelled as the filter knows it. The filter itself takes an unknown level for the
/// name of a module, and then logs nothing else.
fn levels(directives: &str) -> Result<String, String> {
    let spelled = |level: &str| match level.trim().to_ascii_lowercase().as_str() {
        "warning" => Ok("warn".to_owned()),
        level @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => Ok(level.to_owned()),
        _ => Err(format!("{level:?} is no level: off, error, warn, info, debug and trace are")),
    };
    let checked = directives.split(',').map(str::trim).filter(|directive| !directive.is_empty()).map(|directive| {
        match directive.rsplit_once('=') {
            // A module, or a span with a field in brackets: what is after the last `=` is its level.
            Some((module, level)) if !level.contains(']') => Ok(format!("{module}={}", spelled(level)?)),
            None => spelled(directive),
            Some(_) => Ok(directive.to_owned()),
        }
    });
    Ok(checked.collect::<Result<Vec<_>, String>>()?.join(","))
}

/// Starts logging.
pub fn start(directives: &str, verbose: u8) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(filter(directives, verbose)?);
    let colours = io::stderr().is_terminal() && Style::for_stderr().is_coloured();
    let layer =
        fmt::layer().with_writer(|| Stderr).with_ansi(colours).with_target(verbose > 0).log_internal_errors(false);
    let kept = fmt::layer()
        .with_writer(|| journal::Lines)
        .with_ansi(false)
        .with_target(verbose > 0)
        .log_internal_errors(false);
    // Only a second start in one process could fail.
    let _ = tracing_subscriber::registry().with(filter).with(layer).with(kept).try_init();
    Ok(LogLevel { verbose, filter: handle })
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn levels_are_checked_and_spelled() {
        for (written, read) in [
            ("warning", "warn"),
            ("INFO", "info"),
            ("wharf_engine=Warning, error", "wharf_engine=warn,error"),
            ("off", "off"),
            ("wharf_engine[{id=1}]=debug", "wharf_engine[{id=1}]=debug"),
            ("", ""),
        ] {
            assert_eq!(levels(written).as_deref(), Ok(read));
        }
        for unknown in ["verbose", "wharf_engine", "wharf_engine=loud", "info,nonsense"] {
            assert!(levels(unknown).unwrap_err().contains("is no level"), "{unknown}");
        }
    }
}
