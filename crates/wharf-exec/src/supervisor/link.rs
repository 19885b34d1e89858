//! The server's end: starts the supervisor when the first command comes, and again where it was killed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixStream as Control;

use super::{SUPERVISE, SupervisorProgram};
use crate::wire;

/// How long a supervisor may take to end when its server has no more use for it.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a supervisor may take to take a request.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The way to start keepers.
#[derive(Debug)]
pub struct Supervisor {
    program: SupervisorProgram,
    link: Mutex<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    process: Child,
}

impl Supervisor {
    /// Ends what a server left that was killed together with its supervisor and its keepers.
    #[must_use]
    pub fn new(program: SupervisorProgram) -> Self {
        #[cfg(target_os = "linux")]
        super::cgroup::end_abandoned();
        Self { program, link: Mutex::new(None) }
    }

    /// A new keeper's control socket. Blocks for as long as it takes to start a process.
    pub(crate) fn keeper(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(SEND_TIMEOUT))?;
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = &mut *link
            && link.is_alive()
            && link.send(&theirs).is_ok()
        {
            return Ok(ours);
        }
        let fresh = link.insert(self.start()?);
        fresh.send(&theirs)?;
        Ok(ours)
    }

    /// Starts a keeper with its first frame, and what goes with it; gives the keeper's control socket.
    pub(crate) async fn begin(self: Arc<Self>, first: Vec<u8>, descriptors: Vec<OwnedFd>) -> io::Result<Control> {
        let start = move || -> io::Result<UnixStream> {
            let keeper = self.keeper()?;
            let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
            wire::send_all(&keeper, &first, &descriptors)?;
            keeper.set_nonblocking(true)?;
            Ok(keeper)
        };
        Control::from_std(tokio::task::spawn_blocking(start).await.map_err(io::Error::other)??)
    }

    fn start(&self) -> io::Result<Link> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        let process = Command::new(&self.program.path)
            .arg(SUPERVISE)
            // Provider keys never leave the server.
            .env_clear()
            .envs(wharf_failpoints::inherited())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        tracing::debug!(pid = process.id(), "the exec supervisor was started");
        Ok(Link { socket, process })
    }
}

impl Link {
    fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn send(&self, keeper: &UnixStream) -> io::Result<()> {
        wire::send_with(&self.socket, &[1], keeper.as_fd())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        // Reaped, so that no zombie stays. It has nothing to do any more, and ends at once.
        let until = Instant::now() + FAREWELL;
        while let Ok(None) = self.process.try_wait() {
            if Instant::now() >= until {
                tracing::warn!(pid = self.process.id(), "the exec supervisor did not end");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
