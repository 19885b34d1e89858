//! A keeper: runs one command, keeps what it puts out, and is the end of everything below it.

mod life;
mod server;

use std::collections::HashSet;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};

use self::life::Life;
use self::server::Server;
use super::signals::Children;
use super::spool::{Spool, Status};
use super::wire::{self, End, Ended, Request};
use super::{control, descendants, piped};
use crate::exec::{DRAIN, DRAIN_BYTES};

const READ_BYTES: usize = 32 * 1024;
/// Output that waits for the server. At the limit the pipe is not read: the command waits.
const PENDING_BYTES: usize = 64 * 1024;

pub(super) fn run() -> io::Result<()> {
    let control = control()?;
    let children = Children::adopt()?;
    rustix::thread::set_name(c"exec-keeper")?;
    let first = wire::receive_first(&control)?;
    if is_gone(&control) {
        return Ok(());
    }
    if first.0 == wire::SERVE {
        return piped::run(control, children, first);
    }
    let (request, directory) = wire::request(first)?;
    let begun = rustix::process::fchdir(&directory).map_err(io::Error::from);
    drop(directory);
    match begun.and_then(|()| Keeper::begin(&request, &control, children)) {
        Ok(keeper) => keeper.keep(),
        Err(error) => (&control).write_all(&wire::frame(wire::NOT_STARTED, error.to_string().as_bytes())?),
    }
}

/// The server died before the command was begun: then it never is.
fn is_gone(control: &UnixStream) -> bool {
    let mut fds = [PollFd::new(control, PollFlags::RDHUP)];
    rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

struct Keeper {
    server: Server,
    life: Life,
    output: Option<PipeReader>,
    spool: Spool,
    directory: PathBuf,
    status: Status,
}

impl Keeper {
    fn begin(request: &Request, control: &UnixStream, children: Children) -> io::Result<Self> {
        let started = Instant::now();
        let directory = PathBuf::from(&request.output_dir);
        let spool = Spool::create(&directory, &request.call_id, request.output_max_bytes)?;
        let status = Status {
            call_id: request.call_id.clone(),
            started_ms: now_ms(),
            output: spool.name().to_owned(),
            ended: None,
        };
        status.write(&directory, false)?;
        let server = Server::new(control)?;
        let (output, writer) = io::pipe()?;
        let child = Command::new(&request.program)
            .args(&request.arguments)
            .env_clear()
            .envs(request.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        let main = i32::try_from(child.id()).map_err(io::Error::other)?;
        let deadline = request.timeout_ms.map(|timeout| started + Duration::from_millis(timeout));
        let life = Life::new(children, main, deadline);
        Ok(Self { server, life, output: Some(output), spool, directory, status })
    }

    /// To the end of the command, of its tree, and of what the server has to be told.
    fn keep(mut self) -> io::Result<()> {
        let end = loop {
            let is_drained = self.output.is_none() || self.server.pending() >= DRAIN_BYTES;
            if let Some(end) = self.life.step(self.server.is_gone(), is_drained) {
                break end;
            }
            self.wait()?;
        };
        let killed = descendants::kill(&HashSet::new());
        self.read_rest();
        let strays = killed.pids.iter().filter(|pid| **pid != self.life.main).count();
        self.finish(end, strays, killed.survivors)
    }

    fn finish(mut self, end: End, strays: usize, survivors: usize) -> io::Result<()> {
        let kept_bytes = self.spool.finish();
        let ended = Ended {
            at_ms: now_ms(),
            end,
            bytes: self.spool.total(),
            kept_bytes,
            output: self.spool.name().to_owned(),
            strays,
            survivors,
        };
        self.status.ended = Some(ended.clone());
        // A living server puts the outcome on its log, which is synced. Without one these files are all there is.
        let durable = self.server.is_gone();
        if durable {
            self.spool.sync();
        }
        let written = self.status.write(&self.directory, durable);
        self.server.send_json(wire::ENDED, &ended)?;
        while !self.server.is_gone() && self.server.pending() > 0 {
            self.wait()?;
        }
        // The supervisor looks after what this process could not kill.
        if survivors > 0 { Err(io::ErrorKind::PermissionDenied.into()) } else { written }
    }

    /// Waits until something happens, and takes it.
    fn wait(&mut self) -> io::Result<()> {
        let room = if self.life.is_running() { PENDING_BYTES } else { DRAIN_BYTES };
        let output = self.output.as_ref().filter(|_| self.server.pending() < room);
        // After the end only the server is waited for, as long as it lives.
        let timeout = self.life.patience().filter(|_| self.status.ended.is_none());
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = vec![PollFd::new(&self.life.children, PollFlags::IN)];
        let interest = self.server.interest();
        let has_server = interest.is_some();
        fds.extend(interest.map(|(control, wanted)| PollFd::from_borrowed_fd(control, wanted)));
        fds.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has_output = output.is_some();
        let mut ready = fds.iter().map(PollFd::revents).collect::<Vec<_>>().into_iter();
        let mut next = |was_asked: bool| if was_asked { ready.next() } else { None }.unwrap_or(PollFlags::empty());
        let (ended, asked, put_out) = (next(true), next(has_server), next(has_output));
        if !ended.is_empty() {
            self.life.reap();
        }
        if !put_out.is_empty() {
            self.read();
        }
        for (kind, _) in self.server.on(asked) {
            if kind == wire::STOP {
                self.life.stop();
            }
        }
        Ok(())
    }

    fn read(&mut self) {
        let mut buffer = [0; READ_BYTES];
        let Some(output) = &mut self.output else { return };
        match output.read(&mut buffer) {
            Ok(0) => self.output = None,
            Ok(count) => self.take(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.output = None,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.spool.push(bytes);
        // Past the limit the server is too far behind for a command that is over; the file has it all the same.
        if self.server.pending() < DRAIN_BYTES {
            self.server.send(wire::OUTPUT, bytes);
        }
    }

    /// What the dead left in the pipe. Whoever still holds it cannot be killed, and is not waited for.
    fn read_rest(&mut self) {
        let until = Instant::now() + DRAIN;
        while let Some(output) = &self.output
            && Instant::now() < until
        {
            let mut fds = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&Timespec::default())) {
                Ok(ready) if ready > 0 => self.read(),
                _ => return,
            }
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
