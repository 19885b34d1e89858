//! Running one command: its output as it comes, and its whole process tree dead at the end.

mod local;
mod outbox;
mod outcome;
mod piped;
mod supervised;
mod tree;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use piped::{Piped, PipedProcess, Program};
pub use tree::adopt_orphans;

use crate::capture::Captured;
use crate::context::RunContext;
use crate::supervisor::Supervisor;
use crate::wire::HowEnded;

/// Output that waits for a slow engine. At the limit the pipe is not read: the command waits.
const OUTBOX_BYTES: usize = 64 * 1024;
/// A command to run.
#[derive(Debug)]
pub struct Execution {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Held open, so that the command starts there whatever the directory is called by then.
    pub directory: OwnedFd,
    pub environment: Vec<(String, String)>,
    /// The program makes a process namespace and runs the command in it.
    pub contained: bool,
    /// Asked for by the call itself.
    pub timeout: Option<Duration>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    pub end: ExecutionEnd,
    pub captured: Captured,
    /// Processes that the command had left behind; they are dead.
    pub strays: usize,
    /// Processes that could not be killed: they belong to somebody else.
    pub survivors: usize,
}

/// Why a command is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionEnd {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

impl ExecutionEnd {
    /// By itself or at its own limit; `None`: it was stopped, by whoever wanted it or with its server.
    pub(crate) fn of(how: HowEnded) -> Option<Self> {
        match how.status() {
            Some(status) => Some(Self::Exited(status)),
            None => (how == HowEnded::TimedOut).then_some(Self::TimedOut),
        }
    }
}

impl Execution {
    /// Runs the command to its end, below the supervisor where there is one. On return its process tree is dead; where the
    /// future is dropped, it is killed.
    pub async fn run(self, supervisor: Option<&Arc<Supervisor>>, context: &RunContext) -> io::Result<Finished> {
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
