//! The exec supervisor: processes of this same program between the server and every command that it runs.
//!
//! ```text
//! server ── supervisor ── keeper ── command ── ...
//!     └─────── control ──────┘
//! ```
//!
//! The *supervisor* starts keepers, one a command, and kills what a keeper that was killed has left. A *keeper* runs one
//! command: it is the foster parent of every process below it, so none escapes it by `setsid`, by forking twice or by
//! clearing its environment; it keeps the output in a file and writes down how the command ended. Both live as long as their
//! socket to the server: when that ends, by whatever signal the server died, everything below them is killed.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod descendants;
mod hidden;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(target_os = "linux")]
mod keeper;
mod link;
#[cfg(target_os = "linux")]
mod piped;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod terminal;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

pub use hidden::hide;
pub use link::Supervisor;

/// The program whose `main` calls [`entry`] first, and how it is called before our own argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorProgram {
    pub path: PathBuf,
}

impl SupervisorProgram {
    /// The running program itself, also when its file was replaced meanwhile.
    #[must_use]
    pub fn this() -> Self {
        Self { path: PathBuf::from("/proc/self/exe") }
    }
}

/// First argument of a supervisor, and of a keeper.
const SUPERVISE: &str = "__supervise";
const KEEP: &str = "__keep";
/// Of the step into a terminal.
const ENTER: &str = "__enter";

/// Serves as supervisor or keeper if the program was started as one; its `main` calls this before anything else, because
/// these processes stay small and single-threaded. They are hidden, as that `main` is.
pub fn entry(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    let name = arguments.next()?;
    let role = arguments.next()?;
    let ended = match role.to_str()? {
        SUPERVISE => run_supervisor(&name),
        KEEP => run_keeper(),
        #[cfg(target_os = "linux")]
        ENTER => match terminal::enter(arguments) {
            Ok(never) => match never {},
            // What a shell says of a program that cannot be run.
            Err(_) => return Some(ExitCode::from(127)),
        },
        _ => return None,
    };
    Some(if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(target_os = "linux")]
fn run_supervisor(name: &OsStr) -> std::io::Result<()> {
    serve::run(name)
}

#[cfg(target_os = "linux")]
fn run_keeper() -> std::io::Result<()> {
    keeper::run()
}

#[cfg(not(target_os = "linux"))]
fn run_supervisor(_name: &OsStr) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn run_keeper() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The socket that a supervisor or keeper was started with, moved out of the way of the commands; the first thing they do.
#[cfg(target_os = "linux")]
fn control() -> std::io::Result<std::os::unix::net::UnixStream> {
    inherited::close();
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(control.into())
}
