//! Running one command: its output as it comes, and its whole process tree dead at the end.

mod background;
pub(crate) mod capture;
pub(crate) mod containment;
mod environment;
mod local;
mod outbox;
mod piped;
pub(crate) mod process;
mod supervised;
mod tree;
mod utf8;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use background::{Launch, News, RunningCommand};
pub(crate) use capture::{Captured, Excerpt};
pub(crate) use environment::{allowed, quiet};
pub(crate) use piped::{Piped, Program};
pub(crate) use tree::adopt_orphans;
pub(crate) use utf8::utf8_boundaries;

use crate::CallContext;
use crate::supervisor::Supervisor;

/// After the end of the main process: how long what it put out may still take to arrive.
pub(crate) const DRAIN: Duration = Duration::from_millis(200);
/// Between the request to end and the kill.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Output that waits for a slow engine. At the limit the pipe is not read: the command waits.
const OUTBOX_BYTES: usize = 64 * 1024;
/// After the main process there is nobody left to slow down; a stray that floods the pipe is cut off here.
pub(crate) const DRAIN_BYTES: usize = 1024 * 1024;

/// A command to run.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Held open, so that the command starts there whatever the directory is called by then.
    pub(crate) directory: OwnedFd,
    pub(crate) environment: Vec<(String, String)>,
    /// The program makes a process namespace and runs the command in it.
    pub(crate) contained: bool,
    /// Asked for by the call itself.
    pub(crate) timeout: Option<Duration>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: End,
    pub(crate) captured: Captured,
    /// Processes that the command had left behind; they are dead.
    pub(crate) strays: usize,
    /// Processes that could not be killed: they belong to somebody else.
    pub(crate) survivors: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

impl Execution {
    /// Runs the command to its end, below the supervisor where there is one. On return its process tree is dead; where the
    /// future is dropped, it is killed.
    pub(crate) async fn run(self, supervisor: Option<&Arc<Supervisor>>, context: &CallContext) -> io::Result<Finished> {
        match supervisor {
            Some(supervisor) => self.run_below(supervisor, context).await,
            None => self.run_here(context).await,
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// How a status is told, where it is no plain success: code and words.
pub(crate) fn describe(status: ExitStatus) -> (i32, Option<String>) {
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
