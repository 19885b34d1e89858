//! How a process's end is told.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a status is told, where it is no plain success: code and words.
#[must_use]
pub fn describe(status: ExitStatus) -> (i32, Option<String>) {
    match (status.code(), status.signal()) {
        (Some(0), _) => (0, None),
        (Some(code), _) => (code, Some(format!("exit code {code}"))),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let name = signal_name(signal).map(|name| format!(" ({name})")).unwrap_or_default();
            // What a shell would report.
            (128 + signal, Some(format!("killed by signal {signal}{name}")))
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP, hang-up",
        2 => "SIGINT, interrupt",
        3 => "SIGQUIT, quit",
        4 => "SIGILL, illegal instruction",
        6 => "SIGABRT, abort",
        8 => "SIGFPE, arithmetic error",
        9 => "SIGKILL, killed, perhaps for lack of memory",
        11 => "SIGSEGV, invalid memory access",
        13 => "SIGPIPE, nobody reads its output",
        14 => "SIGALRM, alarm",
        15 => "SIGTERM, asked to end",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
