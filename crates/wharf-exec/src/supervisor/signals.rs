//! Signals of the supervisor and its keepers: they end when the server does, not when somebody asks.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// Wakes a poll whenever a child has ended.
#[derive(Debug)]
pub(super) struct Children {
    woken: UnixStream,
}

impl Children {
    /// From here on every ended child wakes, orphans of our descendants come to us, and a request to end is not heard: a
    /// terminal or a service manager sends one to the server as well, and the server may need its time.
    pub(super) fn adopt() -> io::Result<Self> {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            // A handler, unlike an ignored signal, does not reach the commands.
            signal_hook::flag::register(signal, Arc::default())?;
        }
        let (woken, waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, waker)?;
        // Fails for the leader of a group, which has its own already.
        let _ = rustix::process::setsid();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self { woken })
    }

    /// Forgets that somebody ended; [`reap`] says who.
    pub(super) fn clear(&mut self) {
        let mut buffer = [0; 64];
        while self.woken.read(&mut buffer).is_ok_and(|count| count == buffer.len()) {}
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

/// The children that have ended, adopted ones included.
#[derive(Debug)]
pub(super) struct Reaped {
    pub(super) ended: Vec<(Pid, WaitStatus)>,
    /// Without a child there is no descendant either: whatever loses its parent comes to us.
    pub(super) has_children: bool,
}

pub(super) fn reap() -> Reaped {
    let mut ended = Vec::new();
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(child)) => ended.push(child),
            Ok(None) => return Reaped { ended, has_children: true },
            Err(Errno::INTR) => {}
            Err(_) => return Reaped { ended, has_children: false },
        }
    }
}
