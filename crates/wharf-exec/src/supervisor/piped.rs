//! A keeper of a program that is spoken with for long: its standard three are pipes to the server itself, and all that is
//! kept here is watch, so that it and everything below it ends with the server, when it is told to, or with its main process.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::WaitStatus;

use super::cgroup::Cgroup;
use super::descendants;
use super::signals::{self, Children};
use crate::limits::GRACE;
use crate::wire::{self, First, Frames, HowEnded, Serve};

/// Once the server is gone: between the request to end and the kill.
const LAST_GRACE: Duration = Duration::from_millis(200);
/// How often a tree that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For the last word to be taken. The server has nothing else to do with this socket.
const LAST_WORD: Duration = Duration::from_secs(1);

pub(super) fn run(control: UnixStream, children: Children, first: First) -> io::Result<()> {
    let (started, cgroup) = Cgroup::around(|| start(first));
    let main = match started {
        Ok(main) => main,
        Err(error) => {
            return (&control).write_all(&wire::frame(wire::NOT_STARTED, error.to_string().as_bytes())?);
        }
    };
    (&control).write_all(&wire::frame(wire::SERVING, &[])?)?;
    control.set_nonblocking(true)?;
    let mut watch =
        Watch { control: Some(control), frames: Frames::default(), children, main, exit: None, ending: None };
    let end = loop {
        if let Some(end) = watch.step() {
            break end;
        }
        watch.wait()?;
    };
    let killed = descendants::kill(&HashSet::new(), cgroup);
    if let Some(mut control) = watch.control {
        control.set_nonblocking(false)?;
        control.set_write_timeout(Some(LAST_WORD))?;
        // Nobody may want to know any more.
        let _ = control.write_all(&wire::json_frame(wire::ENDED, &end)?);
    }
    // The supervisor looks after what this process could not kill.
    if killed.survivors > 0 { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

fn start((_, body, descriptors): First) -> io::Result<i32> {
    let serve: Serve = serde_json::from_slice(&body)?;
    let [directory, stdin, stdout, stderr] =
        <[OwnedFd; 4]>::try_from(descriptors).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    rustix::process::fchdir(&directory)?;
    let child = Command::new(&serve.program)
        .args(&serve.arguments)
        .env_clear()
        .envs(serve.environment.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}

struct Watch {
    control: Option<UnixStream>,
    frames: Frames,
    children: Children,
    main: i32,
    exit: Option<WaitStatus>,
    /// Why the tree was asked to end, and when it is killed.
    ending: Option<(HowEnded, Instant)>,
}

impl Watch {
    /// `Some` once everything may be killed.
    fn step(&mut self) -> Option<HowEnded> {
        if self.control.is_none() {
            match &mut self.ending {
                None => self.end(HowEnded::Abandoned, LAST_GRACE),
                Some((_, kill_at)) => *kill_at = (*kill_at).min(Instant::now() + LAST_GRACE),
            }
        }
        match (self.ending, self.exit) {
            (Some((why, kill_at)), _) => {
                let is_over = Instant::now() >= kill_at || descendants::living(&HashSet::new()).is_empty();
                is_over.then_some(why)
            }
            (None, Some(exit)) => Some(match exit.terminating_signal() {
                Some(signal) => HowEnded::Signalled { signal },
                None => HowEnded::Exited { code: exit.exit_status().unwrap_or_default() },
            }),
            (None, None) => None,
        }
    }

    fn end(&mut self, why: HowEnded, grace: Duration) {
        descendants::ask(None);
        self.ending = Some((why, Instant::now() + grace));
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.ending.and_then(|_| Timespec::try_from(LOOK_EVERY).ok());
        let mut fds = vec![PollFd::new(&self.children, PollFlags::IN)];
        fds.extend(self.control.as_ref().map(|control| PollFd::new(control, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let asked = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        self.children.clear();
        for (pid, status) in signals::reap().ended {
            if pid.as_raw_pid() == self.main {
                self.exit = Some(status);
            }
        }
        if asked {
            self.listen();
        }
        Ok(())
    }

    /// What the server wants: that the program ends, by a word or by its own end.
    fn listen(&mut self) {
        let mut buffer = [0; 256];
        let Some(control) = &mut self.control else { return };
        match control.read(&mut buffer) {
            Ok(0) => self.control = None,
            Ok(count) => self.frames.push(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.control = None,
        }
        while let Ok(Some((kind, _))) = self.frames.next() {
            if kind == wire::STOP && self.ending.is_none() {
                self.end(HowEnded::Cancelled, GRACE);
            }
        }
    }
}
