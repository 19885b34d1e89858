//! A keeper: runs one command, keeps what it puts out, and is the end of everything below it.

use std::collections::{HashSet, VecDeque};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::WaitStatus;

use super::signals::{self, Children};
use super::spool::{Spool, Status};
use super::wire::{self, End, Ended, Frames, Request};
use super::{control, descendants};
use crate::exec::{DRAIN, DRAIN_BYTES, GRACE};

const READ_BYTES: usize = 32 * 1024;
/// Output that waits for the server. At the limit the pipe is not read: the command waits.
const PENDING_BYTES: usize = 64 * 1024;
/// Once the server is gone: between the request to end and the kill.
const LAST_GRACE: Duration = Duration::from_millis(200);
/// How often a tree that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn run() -> io::Result<()> {
    let control = control()?;
    let children = Children::adopt()?;
    rustix::thread::set_name(c"exec-keeper")?;
    let (request, directory) = wire::receive_request(&control)?;
    if is_gone(&control) {
        return Ok(());
    }
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
    control: Option<UnixStream>,
    frames: Frames,
    /// Frames on their way to the server.
    pending: VecDeque<u8>,
    children: Children,
    output: Option<PipeReader>,
    spool: Spool,
    directory: PathBuf,
    status: Status,
    main: i32,
    exit: Option<WaitStatus>,
    has_children: bool,
    deadline: Option<Instant>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Running,
    /// The main process has ended; what it put out may still arrive.
    Draining {
        until: Instant,
    },
    /// The tree was asked to end.
    Ending {
        why: End,
        kill_at: Instant,
    },
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
        let control = control.try_clone()?;
        control.set_nonblocking(true)?;
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
        Ok(Self {
            control: Some(control),
            frames: Frames::default(),
            pending: VecDeque::new(),
            children,
            output: Some(output),
            spool,
            directory,
            status,
            main: i32::try_from(child.id()).map_err(io::Error::other)?,
            exit: None,
            has_children: true,
            deadline: request.timeout_ms.map(|timeout| started + Duration::from_millis(timeout)),
            stage: Stage::Running,
        })
    }

    /// To the end of the command, of its tree, and of what the server has to be told.
    fn keep(mut self) -> io::Result<()> {
        let end = loop {
            if let Some(end) = self.step() {
                break end;
            }
            self.wait()?;
        };
        let killed = descendants::kill(&HashSet::new());
        self.read_rest();
        let strays = killed.pids.iter().filter(|pid| **pid != self.main).count();
        let kept_bytes = self.spool.finish();
        let ended = Ended {
            at_ms: now_ms(),
            end,
            bytes: self.spool.total(),
            kept_bytes,
            output: self.spool.name().to_owned(),
            strays,
            survivors: killed.survivors,
        };
        self.status.ended = Some(ended.clone());
        // A living server puts the outcome on its log, which is synced. Without one these files are all there is.
        let durable = self.control.is_none();
        if durable {
            self.spool.sync();
        }
        let written = self.status.write(&self.directory, durable);
        self.pending.extend(wire::json_frame(wire::ENDED, &ended)?);
        while self.control.is_some() && !self.pending.is_empty() {
            self.wait()?;
        }
        // The supervisor looks after what this process could not kill.
        if killed.survivors > 0 { Err(io::ErrorKind::PermissionDenied.into()) } else { written }
    }

    /// Moves on as far as time and the main process say; `Some` once the tree may be killed.
    fn step(&mut self) -> Option<End> {
        let now = Instant::now();
        if let Stage::Running = self.stage {
            if self.exit.is_some() {
                self.stage = Stage::Draining { until: now + DRAIN };
            } else if self.control.is_none() {
                self.end(End::Abandoned, LAST_GRACE);
            } else if self.deadline.is_some_and(|deadline| now >= deadline) {
                self.end(End::TimedOut, GRACE);
            }
        }
        match self.stage {
            Stage::Running => None,
            Stage::Draining { until } => {
                let is_over = self.output.is_none() || now >= until || self.pending.len() >= DRAIN_BYTES;
                let exit = self.exit.filter(|_| is_over)?;
                Some(match exit.terminating_signal() {
                    Some(signal) => End::Signalled { signal },
                    None => End::Exited { code: exit.exit_status().unwrap_or_default() },
                })
            }
            Stage::Ending { why, kill_at } => {
                let is_dead = || !self.has_children || descendants::living(&HashSet::new()).is_empty();
                (now >= kill_at || is_dead()).then_some(why)
            }
        }
    }

    fn end(&mut self, why: End, grace: Duration) {
        descendants::ask();
        self.stage = Stage::Ending { why, kill_at: Instant::now() + grace };
    }

    /// Waits until something happens, and takes it.
    fn wait(&mut self) -> io::Result<()> {
        let is_running = matches!(self.stage, Stage::Running);
        let room = if is_running { PENDING_BYTES } else { DRAIN_BYTES };
        let output = self.output.as_ref().filter(|_| self.pending.len() < room);
        let timeout = match self.stage {
            Stage::Running => self.deadline.map(|at| at.saturating_duration_since(Instant::now())),
            Stage::Draining { until } => Some(until.saturating_duration_since(Instant::now())),
            Stage::Ending { .. } => Some(LOOK_EVERY),
        };
        // After the end only the server is waited for, as long as it lives.
        let timeout = timeout.filter(|_| self.status.ended.is_none());
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let wanted = if self.pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = vec![PollFd::new(&self.children, PollFlags::IN)];
        fds.extend(self.control.as_ref().map(|control| PollFd::new(control, wanted)));
        fds.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let revents: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        let (has_control, has_output) = (self.control.is_some(), output.is_some());
        let mut revents = revents.into_iter();
        let ended = revents.next().unwrap_or(PollFlags::empty());
        let asked = if has_control { revents.next() } else { None }.unwrap_or(PollFlags::empty());
        let put_out = if has_output { revents.next() } else { None }.unwrap_or(PollFlags::empty());
        if !ended.is_empty() {
            self.reap();
        }
        if !put_out.is_empty() {
            self.read();
        }
        if asked.contains(PollFlags::OUT) {
            self.flush();
        }
        if asked.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.listen();
        }
        Ok(())
    }

    fn reap(&mut self) {
        self.children.clear();
        let reaped = signals::reap();
        self.has_children = reaped.has_children;
        for (pid, status) in reaped.ended {
            if pid.as_raw_pid() == self.main {
                self.exit = Some(status);
            }
        }
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
        if self.control.is_some()
            && self.pending.len() < DRAIN_BYTES
            && let Ok(frame) = wire::frame(wire::OUTPUT, bytes)
        {
            self.pending.extend(frame);
            self.flush();
        }
    }

    fn flush(&mut self) {
        while let Some(control) = &mut self.control {
            let (bytes, _) = self.pending.as_slices();
            if bytes.is_empty() {
                return;
            }
            match control.write(bytes) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.lost(),
            }
        }
    }

    /// What the server wants: that the command ends, by a word or by its own end.
    fn listen(&mut self) {
        let mut buffer = [0; 1024];
        let Some(control) = &mut self.control else { return };
        match control.read(&mut buffer) {
            Ok(0) => self.lost(),
            Ok(count) => self.frames.push(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lost(),
        }
        while let Ok(Some((kind, _))) = self.frames.next() {
            if kind == wire::STOP
                && let Stage::Running = self.stage
                && self.exit.is_none()
            {
                self.end(End::Cancelled, GRACE);
            }
        }
    }

    fn lost(&mut self) {
        self.control = None;
        self.pending = VecDeque::new();
        if let Stage::Ending { kill_at, .. } = &mut self.stage {
            *kill_at = (*kill_at).min(Instant::now() + LAST_GRACE);
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
