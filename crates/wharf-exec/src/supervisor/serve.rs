//! The supervisor: starts keepers, reaps them, and kills what a killed one has left.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use wharf_failpoints::point;

use super::signals::{self, Children};
use super::{KEEP, cgroup, control, descendants};
use crate::wire;

/// After the server's end: how long the keepers have to end theirs. Together with the fight that may follow it stays below
/// the 2 s within which everything is dead.
const FAREWELL: Duration = Duration::from_millis(1_100);

/// `name` is what this process is called; its keepers are called the same.
#[expect(clippy::disallowed_methods, reason = "it is a program of its own, with one thread")]
pub(super) fn run(name: &OsStr) -> io::Result<()> {
    let control = control()?;
    let mut children = Children::adopt()?;
    rustix::thread::set_name(c"exec-supervisor")?;
    std::env::set_current_dir("/")?;
    let mut keepers: HashSet<i32> = HashSet::new();
    let mut farewell: Option<Instant> = None;
    loop {
        if farewell.is_some_and(|until| keepers.is_empty() || Instant::now() >= until) {
            descendants::kill(&HashSet::new(), None);
            cgroup::end_abandoned();
            return Ok(());
        }
        let (asked, ended) = wait(&control, &children, farewell)?;
        if ended {
            children.clear();
            let mut is_clean = true;
            for (pid, status) in signals::reap().ended {
                let was_keeper = keepers.remove(&pid.as_raw_pid());
                is_clean &= was_keeper && status.exit_status() == Some(0);
            }
            if !is_clean {
                cgroup::end_abandoned();
                let killed = descendants::kill(&keepers, None);
                keepers.retain(|keeper| !killed.reaped.iter().any(|(pid, _)| pid.as_raw_pid() == *keeper));
            }
        }
        if asked && farewell.is_none() {
            match wire::receive_with(&control, &mut [0; 1]) {
                Ok((0, _)) | Err(_) => farewell = Some(Instant::now() + FAREWELL),
                // A keeper that cannot be started is told by the end of its socket.
                Ok((_, Some(socket))) => {
                    point("supervisor.before_start");
                    keepers.extend(start(name, socket).ok());
                    point("supervisor.after_start");
                }
                Ok((_, None)) => {}
            }
        }
    }
}

/// Waits for the server and for ended children; says which of them there are.
fn wait(control: &UnixStream, children: &Children, until: Option<Instant>) -> io::Result<(bool, bool)> {
    let mut fds = [PollFd::new(children, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
    // Once the server is gone its socket has nothing more to say, and would say so all the time.
    let count = if until.is_some() { 1 } else { 2 };
    let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut fds[..count], timeout.as_ref()) {
        Ok(_) => Ok((!fds[1].revents().is_empty(), !fds[0].revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok((false, true)),
        Err(error) => Err(error.into()),
    }
}

fn start(name: &OsStr, socket: OwnedFd) -> io::Result<i32> {
    let mut command = Command::new("/proc/self/exe");
    let child = command.arg0(name).arg(KEEP).stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}
