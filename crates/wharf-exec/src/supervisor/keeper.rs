//! A keeper: runs one command, keeps what it puts out, and is the end of everything below it.

mod input;
mod life;
mod output;
mod server;
mod spawn;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};
use wharf_failpoints::point;

use self::input::Input;
use self::life::Life;
use self::output::Sink;
use self::server::Server;
use self::spawn::{Spawned, spawn};
use super::cgroup::Cgroup;
use super::signals::Children;
use super::{control, descendants, piped, terminal};
use crate::limits::{DRAIN, DRAIN_BYTES};
use crate::spool::{Spool, StatusFile};
use crate::wire::{self, CommandRequest, EndReport, HowEnded};

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
    cgroup: Option<Cgroup>,
    /// A pipe, or our end of the command's terminal.
    output: Option<File>,
    sink: Sink,
    input: Option<Input>,
    /// Input that the server knows to be taken.
    told_taken: u64,
    directory: PathBuf,
    status: StatusFile,
}

impl Keeper {
    fn begin(request: &CommandRequest, control: &UnixStream, children: Children) -> io::Result<Self> {
        let started = Instant::now();
        let directory = PathBuf::from(&request.output_dir);
        let sink = match request.background {
            Some(_) => Sink::ring(&directory, &request.id, request.output_max_bytes)?,
            None => Sink::Call(Spool::create(&directory, &request.id, request.output_max_bytes)?),
        };
        let output = sink.name().to_owned();
        let status = StatusFile { id: request.id.clone(), started_ms: now_ms(), output, ended: None };
        status.write(&directory, false)?;
        let mut server = Server::new(control)?;
        point("keeper.before_spawn");
        let (spawned, cgroup) = Cgroup::around(|| spawn(request));
        let Spawned { main, output, input } = spawned?;
        point("keeper.after_spawn");
        if request.background.is_some() {
            server.send(wire::BEGUN, &[]);
        }
        let deadline = request.timeout_ms.map(|timeout| started + Duration::from_millis(timeout));
        let life = Life::new(children, main, deadline).in_namespace(request.contained);
        Ok(Self { server, life, cgroup, output: Some(output), sink, input, told_taken: 0, directory, status })
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
        point("keeper.before_kill");
        let killed = descendants::kill(&HashSet::new(), self.cgroup.take());
        self.read_rest();
        let strays = killed.pids.iter().filter(|pid| **pid != self.life.main).count();
        // What a namespace ends with its first process was not left by the command.
        let strays = if self.life.is_in_namespace() { 0 } else { strays };
        self.finish(end, strays, killed.survivors)
    }

    fn finish(mut self, end: HowEnded, strays: usize, survivors: usize) -> io::Result<()> {
        let kept_bytes = self.sink.finish();
        let ended = EndReport {
            at_ms: now_ms(),
            end,
            bytes: self.sink.total(),
            kept_bytes,
            output: self.sink.name().to_owned(),
            strays,
            survivors,
        };
        self.status.ended = Some(ended.clone());
        // A living server puts the outcome on its log, which is synced. Without one these files are all there is.
        let durable = self.server.is_gone();
        if durable {
            self.sink.sync();
        }
        point("keeper.before_record");
        let written = self.status.write(&self.directory, durable);
        point("keeper.after_record");
        self.server.send_json(wire::ENDED, &ended)?;
        while !self.server.is_gone() && self.server.pending() > 0 {
            self.wait()?;
        }
        point("keeper.after_report");
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
        let server = self.server.interest();
        let input = self.input.as_ref().and_then(Input::interest);
        let is_asked = [true, server.is_some(), output.is_some(), input.is_some()];
        let mut fds = vec![PollFd::new(&self.life.children, PollFlags::IN)];
        fds.extend(server.map(|(control, wanted)| PollFd::from_borrowed_fd(control, wanted)));
        fds.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
        fds.extend(input.map(|input| PollFd::from_borrowed_fd(input, PollFlags::OUT)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(PollFd::revents).collect::<Vec<_>>().into_iter();
        let [ended, asked, put_out, may_write] =
            is_asked.map(|is_asked| if is_asked { ready.next() } else { None }.unwrap_or(PollFlags::empty()));
        if !ended.is_empty() {
            self.life.reap();
        }
        if !put_out.is_empty() {
            self.read();
        }
        if !may_write.is_empty()
            && let Some(input) = &mut self.input
        {
            input.flush();
        }
        for (kind, body) in self.server.on(asked) {
            self.on_frame(kind, &body);
        }
        self.tell();
        Ok(())
    }

    fn on_frame(&mut self, kind: u8, body: &[u8]) {
        match (kind, &mut self.input) {
            (wire::STOP, _) => self.life.stop(),
            (wire::INPUT, Some(input)) => input.push(body),
            (wire::CLOSE_INPUT, Some(input)) => input.close(),
            (wire::RESIZE, Some(input)) => {
                if let (Some(terminal), Ok(size)) = (input.terminal(), serde_json::from_slice(body)) {
                    // A terminal that is gone has no size.
                    let _ = terminal::resize(terminal, size);
                }
            }
            _ => {}
        }
    }

    /// What the server wants to know and has not heard.
    fn tell(&mut self) {
        self.sink.tell(&mut self.server);
        if let Some(input) = &self.input
            && input.taken != self.told_taken
        {
            self.told_taken = input.taken;
            self.server.send(wire::TAKEN, &input.taken.to_le_bytes());
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; READ_BYTES];
        let Some(output) = &mut self.output else { return };
        match output.read(&mut buffer) {
            Ok(0) => self.output = None,
            Ok(count) => self.sink.take(&buffer[..count], &mut self.server),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            // Also a terminal that nobody has open any more.
            Err(_) => self.output = None,
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
