//! Running one command: its output as it comes, and its whole process tree dead at the end.

mod capture;
mod environment;
mod tree;
mod utf8;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use capture::Capture;
pub(crate) use capture::Captured;
pub(crate) use environment::allowed;
use tree::Tree;
pub(crate) use tree::adopt_orphans;
use utf8::Utf8Stream;

use crate::CallContext;

/// After the end of the main process: how long what it put out may still take to arrive.
const DRAIN: Duration = Duration::from_millis(200);
/// Between the request to end and the kill.
const GRACE: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 32 * 1024;
/// Output that waits for a slow engine. At the limit the pipe is not read: the command waits.
const OUTBOX_BYTES: usize = 64 * 1024;
/// After the main process there is nobody left to slow down; a stray that floods the pipe is cut off here.
const DRAIN_BYTES: usize = 1024 * 1024;
/// Small pieces are put together up to this.
const PIECE_BYTES: usize = 16 * 1024;

/// A command to run.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Held open, so that the command starts there whatever the directory is called by then.
    pub(crate) directory: OwnedFd,
    pub(crate) environment: Vec<(String, String)>,
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
    /// Runs the command to its end. On return, and also where the future is dropped, its process tree is dead.
    pub(crate) async fn run(self, context: &CallContext) -> io::Result<Finished> {
        let started = Instant::now();
        let token = token()?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("WHARF_CALL", context.call_id.as_str())
            .env(tree::MARKER, &token)
            .current_dir(directory_path(&self.directory, &context.workspace))
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut tree = Tree::expect(token);
        let child = command.spawn()?;
        // Our own ends of the pipe: while they are open it has no end.
        drop(command);
        tree.started(child.id());
        let running = Running {
            child,
            tree,
            reader: pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?,
            at_end: false,
            decoder: Utf8Stream::default(),
            capture: Capture::new(context),
            outbox: Outbox::default(),
        };
        running.until_over(context, self.timeout.map(|timeout| started + timeout)).await
    }
}

/// One command while it runs.
struct Running {
    child: Child,
    tree: Tree,
    reader: pipe::Receiver,
    at_end: bool,
    decoder: Utf8Stream,
    capture: Capture,
    outbox: Outbox,
}

/// What woke us.
enum Wakeup {
    Cancelled,
    TimedOut,
    Exited(io::Result<ExitStatus>),
    Drained,
    Read(io::Result<usize>),
    Sent,
}

impl Running {
    async fn until_over(mut self, context: &CallContext, deadline: Option<Instant>) -> io::Result<Finished> {
        let mut buffer = vec![0; READ_BYTES];
        let mut exit: Option<(ExitStatus, Instant)> = None;
        let end = loop {
            if let Some((status, _)) = exit
                && (self.at_end || self.outbox.bytes >= DRAIN_BYTES)
            {
                break End::Exited(status);
            }
            let room = if exit.is_some() { DRAIN_BYTES } else { OUTBOX_BYTES };
            let wakeup = tokio::select! {
                biased;
                () = context.cancel.cancelled() => Wakeup::Cancelled,
                () = until(deadline) => Wakeup::TimedOut,
                status = self.child.wait(), if exit.is_none() => Wakeup::Exited(status),
                () = until(exit.map(|(_, drained)| drained)) => Wakeup::Drained,
                read = self.reader.read(&mut buffer), if !self.at_end && self.outbox.bytes < room => Wakeup::Read(read),
                () = self.outbox.send(context) => Wakeup::Sent,
            };
            match (wakeup, exit) {
                // The command had ended by itself: that is its outcome.
                (Wakeup::Cancelled | Wakeup::TimedOut | Wakeup::Drained, Some((status, _))) => {
                    break End::Exited(status);
                }
                (Wakeup::Cancelled, None) => break End::Cancelled,
                (Wakeup::TimedOut, None) => break End::TimedOut,
                (Wakeup::Exited(status), _) => exit = Some((status?, Instant::now() + DRAIN)),
                (Wakeup::Read(read), _) => self.take(read, &buffer).await,
                (Wakeup::Sent | Wakeup::Drained, _) => {}
            }
        };
        let ended = match end {
            End::Exited(_) => self.tree.kill().await,
            End::Cancelled | End::TimedOut => self.terminate(context, &mut buffer).await,
        };
        let rest = self.decoder.finish();
        self.outbox.push(rest);
        // After a cancel nobody waits for what a slow engine has not taken yet.
        if let End::Exited(_) = end {
            self.outbox.flush(context, deadline).await;
        }
        let captured = self.capture.finish().await;
        Ok(Finished { end, captured, strays: ended.killed, survivors: ended.survivors })
    }

    /// Asks every process of the tree to end, waits, kills. Reads on meanwhile: a process that writes its last words
    /// into a full pipe would never end.
    async fn terminate(&mut self, context: &CallContext, buffer: &mut [u8]) -> tree::Ended {
        self.outbox.abandon(context);
        self.tree.ask().await;
        let patience = Instant::now() + GRACE;
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let mut exited = false;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(patience) => break,
                _ = self.child.wait(), if !exited => exited = true,
                read = self.reader.read(buffer), if !self.at_end => self.take(read, buffer).await,
                _ = look.tick() => {
                    if exited && self.tree.is_dead().await {
                        break;
                    }
                }
            }
        }
        let ended = self.tree.kill().await;
        // The kernel has killed it by now; this takes its status, so that no zombie stays.
        let _ = tokio::time::timeout(DRAIN, self.child.wait()).await;
        let until = Instant::now() + DRAIN;
        while !self.at_end {
            match tokio::time::timeout_at(until, self.reader.read(buffer)).await {
                Ok(read) => self.take(read, buffer).await,
                Err(_) => break,
            }
        }
        ended
    }

    async fn take(&mut self, read: io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(0) | Err(_) => self.at_end = true,
            Ok(count) => {
                let bytes = &buffer[..count];
                let text = self.decoder.push(bytes);
                self.capture.push(bytes).await;
                self.outbox.push(text);
            }
        }
    }
}

/// Output on its way to the engine.
#[derive(Debug, Default)]
struct Outbox {
    pieces: VecDeque<String>,
    bytes: usize,
    abandoned: bool,
}

impl Outbox {
    fn push(&mut self, text: String) {
        if text.is_empty() || self.abandoned {
            return;
        }
        self.bytes += text.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + text.len() <= PIECE_BYTES => last.push_str(&text),
            _ => self.pieces.push_back(text),
        }
    }

    /// Sends the next piece as soon as the engine takes it; waits for ever where there is none.
    async fn send(&mut self, context: &CallContext) {
        if self.pieces.is_empty() {
            return std::future::pending().await;
        }
        // Until the permit is there the piece stays here: a call that stops meanwhile loses nothing.
        match context.progress.0.reserve().await {
            Ok(permit) => {
                if let Some(piece) = self.pieces.pop_front() {
                    self.bytes -= piece.len();
                    permit.send(piece);
                }
            }
            // Nobody listens: the result is all that is wanted.
            Err(_) => {
                self.abandoned = true;
                self.pieces.clear();
                self.bytes = 0;
            }
        }
    }

    /// Hands over what the engine takes at once; from here on the result alone carries the output.
    fn abandon(&mut self, context: &CallContext) {
        for piece in self.pieces.drain(..) {
            if context.progress.0.try_send(piece).is_err() {
                break;
            }
        }
        self.abandoned = true;
        self.bytes = 0;
    }

    async fn flush(&mut self, context: &CallContext, deadline: Option<Instant>) {
        while !self.pieces.is_empty() {
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => return,
                () = until(deadline) => return,
                () = self.send(context) => {}
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The held directory, by a name that stays right when the directory is renamed or replaced.
fn directory_path(directory: &OwnedFd, workspace: &crate::Workspace) -> PathBuf {
    use std::os::fd::AsRawFd;
    if cfg!(target_os = "linux") {
        PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
    } else {
        workspace.root().to_path_buf()
    }
}

/// Marks the processes of one call; call ids alone may be the same in two sessions.
fn token() -> io::Result<String> {
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
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
